//! What a person says of the flows that a template offers: which are to be in force, and how far.
//!
//! None is until a person ticks it: nothing that a client would like does.

use std::collections::BTreeMap;

use remit_engine::Template;
use remit_model::{ArgumentPath, FlowName, Foreseen, Tick};

use crate::form::Form;

/// What is said of each of them.
#[derive(Clone, Debug)]
pub(crate) struct Flows(BTreeMap<FlowName, Said>);

/// What is said of one, as it was filled in.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) ticked: bool,
    pub(crate) times: String,
    pub(crate) at_most: BTreeMap<ArgumentPath, String>,
}

impl Flows {
    /// As they are offered.
    pub(crate) fn offered(template: &Template) -> Self {
        Self::of(template, |_, flow| {
            let bounds = flow.bounds().map(|(path, most)| (path.clone(), most.to_string()));
            Said { ticked: false, times: flow.times.to_string(), at_most: bounds.collect() }
        })
    }

    /// As they came.
    pub(crate) fn read(form: &Form, template: &Template) -> Self {
        let text = |field: String| form.all(&field).next().unwrap_or_default().trim().to_owned();
        Self::of(template, |name, flow| {
            let bounds =
                flow.bounds().map(|(path, _)| (path.clone(), text(bound_field(name, path))));
            Said {
                ticked: form.all("flow").any(|ticked| ticked == name.as_str()),
                times: text(times_field(name)),
                at_most: bounds.collect(),
            }
        })
    }

    fn of(template: &Template, said: impl Fn(&FlowName, &Foreseen) -> Said) -> Self {
        let offered = template.foreseen.offered();
        Self(offered.map(|(it, flow)| (it.name.clone(), said(&it.name, flow))).collect())
    }

    /// What is said of this one.
    pub(crate) fn said(&self, name: &FlowName) -> Option<&Said> {
        self.0.get(name)
    }

    /// Those that are ticked; `None`, if how far is no number.
    pub(crate) fn ticks(&self) -> Option<Vec<Tick>> {
        let ticked = self.0.iter().filter(|(_, said)| said.ticked);
        ticked.map(|(name, said)| said.tick(name)).collect()
    }
}

impl Said {
    /// Of an empty field, as it is offered.
    fn tick(&self, name: &FlowName) -> Option<Tick> {
        let times = (!self.times.is_empty()).then(|| self.times.parse());
        let said = self.at_most.iter().filter(|(_, most)| !most.is_empty());
        let at_most = said.map(|(path, most)| Some((path.clone(), most.parse().ok()?)));
        Some(Tick {
            name: name.clone(),
            times: times.transpose().ok()?,
            at_most: at_most.collect::<Option<_>>()?,
        })
    }
}

/// The field that says in how many calls.
pub(crate) fn times_field(name: &FlowName) -> String {
    format!("times {name}")
}

/// The field that says how much at most.
pub(crate) fn bound_field(name: &FlowName, path: &ArgumentPath) -> String {
    format!("at-most {name} {path}")
}
