//! The page on which a person says what the agent is to do, and narrows what it may use.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};
use remit_engine::Template;
use remit_model::{Confidentiality, Limit, Reach, ServerName};

use super::facts::{facts, name};
use super::flows::flows;
use super::{Leads, respond};
use crate::ask::Ask;
use crate::choice::{Choice, Field, Problems, minutes};
use crate::offer::Offer;
use crate::text::{MAX_QUOTE, tame};
use crate::{DECIDE, Door, offer, words};

/// What is filled in.
pub(crate) struct Edit<'a> {
    pub(crate) door: &'a Door,
    pub(crate) ask: &'a Ask,
    pub(crate) template: &'a Template,
    pub(crate) offers: &'a [Offer],
    pub(crate) choice: &'a Choice,
}

/// The form, with what is wrong in it, and why the policy would refuse it.
pub(crate) fn edit(
    edit: &Edit<'_>,
    ticket: &str,
    (problems, refusal): (&Problems, Option<&str>),
) -> Response {
    let source = edit.ask.source();
    let body = html! {
        h1 { "What is " (name(edit.ask)) " to do?" }
        (facts(edit.door, edit.ask))
        @if let Some(refusal) = refusal {
            p class="problem" role="alert" { "This would be refused: " (refusal) }
        }
        @if !problems.is_empty() {
            p class="problem" role="alert" { "Something is missing; it is marked below." }
        }
        (templates(edit, ticket))
        form method="post" action=(DECIDE) {
            input type="hidden" name="ticket" value=(ticket);
            input type="hidden" name="template" value=(edit.template.name);
            (purpose(edit, problems))
            (tools(edit, problems))
            @if edit.template.foreseen.offered().next().is_some() {
                (flows(edit.template, &edit.choice.flows, &problem(problems, Field::Flows)))
            }
            (limits(edit, problems))
            div class="actions" {
                button type="submit" name="do" value="review" class="primary" { "Review" }
                button type="submit" name="do" value="deny" formnovalidate { "Deny" }
            }
        }
    };
    let status = if problems.is_empty() && refusal.is_none() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    respond(status, "What it is to do", &Leads::To(&source), &body)
}

fn problem(problems: &Problems, field: Field) -> Markup {
    let found = problems.iter().filter(|(other, _)| *other == field);
    html! { @for (_, text) in found { p class="problem" { (text) } } }
}

/// Another template, where the agent may open more than one.
fn templates(edit: &Edit<'_>, ticket: &str) -> Markup {
    let templates = offer::templates(&edit.door.engine, &edit.ask.client.agent);
    html! {
        @if templates.len() > 1 {
            form method="post" action=(DECIDE) class="card row" {
                input type="hidden" name="ticket" value=(ticket);
                label for="template" { "Template" }
                select id="template" name="template" {
                    @for template in &templates {
                        option value=(template.name) selected[template.name == edit.template.name] {
                            (template.name)
                        }
                    }
                }
                button type="submit" name="do" value="template" { "Use this one" }
            }
        } @else {
            p class="quiet" { "Within the template " code { (edit.template.name) } }
        }
    }
}

fn purpose(edit: &Edit<'_>, problems: &Problems) -> Markup {
    let wished = edit.ask.wish.purpose.as_deref().map(|text| tame(text, MAX_QUOTE));
    html! {
        section class="card" {
            h2 { label for="purpose" { "Purpose" } }
            p class="quiet" id="purpose-help" {
                "In your words. It goes on record with the task."
            }
            @if let Some(wished) = wished.filter(|wished| !wished.is_empty()) {
                p class="quote" { "The application says it wants to: " q { bdi { (wished) } } }
            }
            (problem(problems, Field::Purpose))
            textarea id="purpose" name="purpose" rows="3" required aria-describedby="purpose-help" {
                (edit.choice.purpose)
            }
        }
    }
}

fn tools(edit: &Edit<'_>, problems: &Problems) -> Markup {
    let mut servers: Vec<&ServerName> = edit.offers.iter().map(|offer| &offer.server).collect();
    servers.dedup();
    html! {
        section class="card" {
            h2 { "Tools" }
            p class="quiet" { "All that the template has. Take away what this purpose does not need." }
            (problem(problems, Field::Tools))
            @if servers.is_empty() {
                p { "No tool of this template is known yet." }
            }
            @for server in servers {
                fieldset {
                    legend { code { (server) } }
                    ul class="tools" {
                        @for offer in edit.offers.iter().filter(|offer| offer.server == *server) {
                            li { (tool(offer, edit.choice.tools.contains(&offer.name))) }
                        }
                    }
                }
            }
        }
    }
}

fn tool(offer: &Offer, chosen: bool) -> Markup {
    let reach = match offer.reach {
        Some(Reach::External) => Some("reaches anyone"),
        Some(Reach::Internal) => Some("reaches the organisation"),
        Some(Reach::Local) | None => None,
    };
    let effect = words::effect(offer.effect.value);
    html! {
        label class="tool" {
            input type="checkbox" name="tool" value=(offer.name) checked[chosen];
            span class="tool-name" { bdi { (offer.label) } }
            span class="marks" {
                span class={ "mark-effect " (effect.replace(' ', "-")) } { (words::mark(offer)) }
                @if let Some(reach) = reach { span { (reach) } }
                @if offer.returns_untrusted { span { "brings in outside content" } }
                @if offer.is_quarantined { span { "waits for its owner" } }
            }
            @if !offer.only.is_empty() {
                span class="only" { "only if " (offer.only.join(", or if ")) }
            }
        }
    }
}

fn limits(edit: &Edit<'_>, problems: &Problems) -> Markup {
    let (template, choice) = (edit.template, edit.choice);
    let levels = Confidentiality::ALL.into_iter().filter(|level| *level <= template.ceiling);
    html! {
        section class="card" {
            h2 { "Limits" }
            div class="limits" {
                div {
                    label for="minutes" { "Minutes" }
                    (number("minutes", &choice.minutes, Limit::at_most(minutes(template)), 1))
                    (problem(problems, Field::Minutes))
                }
                div {
                    label for="calls" { "Calls" }
                    (number("calls", &choice.calls, template.budget.calls, 0))
                    (problem(problems, Field::Calls))
                }
                div {
                    label for="effects" { "Calls with an effect" }
                    (number("effects", &choice.effects, template.budget.effects, 0))
                    (problem(problems, Field::Effects))
                }
                div {
                    label for="ceiling" { "Most sensitive data" }
                    select id="ceiling" name="ceiling" {
                        @for level in levels {
                            option value=(level.name()) selected[level == choice.ceiling] { (level.name()) }
                        }
                    }
                }
            }
        }
    }
}

fn number(name: &str, value: &str, most: Limit, least: u8) -> Markup {
    let most = most.get();
    html! {
        input type="number" inputmode="numeric" id=(name) name=(name) value=(value) min=(least)
            max=[most] placeholder="no limit";
        p class="quiet" {
            @match most { Some(most) => { "at most " (most) } None => "no limit in the template" }
        }
    }
}
