//! What a person says in the form, and the proposal that it makes.

use std::collections::BTreeSet;

use remit_engine::Template;
use remit_engine::open::{MAX_PURPOSE, Proposal};
use remit_model::{Budget, Confidentiality, Limit, Remit, ToolPattern, ToolRule};

use crate::flows::Flows;
use crate::form::Form;
use crate::offer::Offer;

/// The fields, as they were filled in.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) purpose: String,
    pub(crate) tools: BTreeSet<String>,
    pub(crate) ceiling: Confidentiality,
    pub(crate) calls: String,
    pub(crate) effects: String,
    pub(crate) minutes: String,
    pub(crate) flows: Flows,
}

/// What is not filled in as it must be, by field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    Purpose,
    Tools,
    Calls,
    Effects,
    Minutes,
    Flows,
}

/// What is wrong with the fields.
pub(crate) type Problems = Vec<(Field, String)>;

impl Choice {
    /// As the form comes first: the template's own purpose, and what the client would like within it.
    /// A client's words are never put into the person's mouth, so its purpose is not among them.
    pub(crate) fn first(template: &Template, wish: &Proposal, offers: &[Offer]) -> Self {
        let wished = |offer: &&Offer| {
            wish.tools
                .as_ref()
                .is_none_or(|rules| rules.iter().any(|rule| rule.tool.covers(&offer.name)))
        };
        let budget = template.budget.meet(wish.budget.unwrap_or_default());
        let text = |limit: Limit| limit.get().map(|limit| limit.to_string()).unwrap_or_default();
        let most = minutes(template);
        let minutes = wish.seconds.map_or(most, |seconds| seconds.div_ceil(60).clamp(1, most));
        Self {
            purpose: template.purpose.clone().unwrap_or_default(),
            tools: offers.iter().filter(wished).map(|offer| offer.name.clone()).collect(),
            ceiling: template.ceiling,
            calls: text(budget.calls),
            effects: text(budget.effects),
            minutes: minutes.to_string(),
            flows: Flows::offered(template),
        }
    }

    /// What came; a field that is missing counts as empty.
    pub(crate) fn read(form: &Form, template: &Template) -> Self {
        let text = |name| form.all(name).next().unwrap_or_default().trim().to_owned();
        let ceiling =
            Confidentiality::ALL.into_iter().find(|level| level.name() == text("ceiling"));
        Self {
            purpose: text("purpose"),
            tools: form.all("tool").map(str::to_owned).collect(),
            ceiling: ceiling.unwrap_or_default().min(template.ceiling),
            calls: text("calls"),
            effects: text("effects"),
            minutes: text("minutes"),
            flows: Flows::read(form, template),
        }
    }

    /// What is to be opened. Only what the template offers can be in it, and whatever is, it narrows.
    ///
    /// Errors: what is missing or no number.
    pub(crate) fn proposal(
        &self,
        template: &Template,
        offers: &[Offer],
    ) -> Result<Proposal, Problems> {
        let mut problems = Problems::new();
        let mut wrong = |field, text: String| problems.push((field, text));
        if self.purpose.is_empty() {
            wrong(Field::Purpose, "Say what the agent is to do.".to_owned());
        }
        if self.purpose.len() > MAX_PURPOSE {
            wrong(Field::Purpose, format!("Say it in at most {MAX_PURPOSE} bytes."));
        }
        let given = offers.iter().filter(|offer| self.tools.contains(&offer.name));
        let patterns = given.filter_map(|offer| offer.name.parse::<ToolPattern>().ok());
        let tools: Vec<ToolRule> = patterns.map(ToolRule::any_arguments).collect();
        if tools.is_empty() {
            wrong(Field::Tools, "Choose at least one, or deny.".to_owned());
        }
        let mut limit = |field, text: &str| match text.parse::<u64>() {
            _ if text.is_empty() => Limit::UNLIMITED,
            Ok(number) => Limit::at_most(number),
            Err(_) => {
                wrong(field, "Expected a whole number, or nothing.".to_owned());
                Limit::UNLIMITED
            }
        };
        let calls = limit(Field::Calls, &self.calls);
        let effects = limit(Field::Effects, &self.effects);
        let minutes = self.minutes.parse::<u64>().ok().filter(|minutes| *minutes > 0);
        if minutes.is_none() {
            wrong(Field::Minutes, "Expected a whole number of minutes.".to_owned());
        }
        let foresee = self.flows.ticks();
        if foresee.is_none() {
            wrong(Field::Flows, "Expected whole numbers, or nothing.".to_owned());
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Proposal {
            template: template.name.clone(),
            purpose: Some(self.purpose.clone()),
            tools: Some(tools),
            budget: Some(Budget { calls, effects, ..Budget::default() }),
            seconds: minutes.map(|minutes| minutes.saturating_mul(60)),
            within: Some(Remit { ceiling: self.ceiling, ..Remit::default() }),
            foresee: foresee.unwrap_or_default(),
            ..Proposal::default()
        })
    }
}

/// How many minutes a task of `template` lasts at most.
pub(crate) fn minutes(template: &Template) -> u64 {
    template.lasts.as_secs().div_ceil(60).max(1)
}
