//! The page on which a person reads what they are about to allow.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};
use remit_model::Task;

use super::facts::{facts, name};
use super::flows::in_force;
use super::{Leads, respond};
use crate::ask::Ask;
use crate::offer::Offer;
use crate::{DECIDE, Door, words};

/// What can be allowed.
pub(crate) struct Review<'a> {
    pub(crate) door: &'a Door,
    pub(crate) ask: &'a Ask,
    /// Who is asked.
    pub(crate) person: &'a str,
    /// The task as it would be opened.
    pub(crate) task: &'a Task,
    pub(crate) offers: &'a [Offer],
}

/// Shows it, with the buttons.
pub(crate) fn review(review: &Review<'_>, ticket: &str) -> Response {
    let charter = &review.task.charter;
    let (remit, source) = (&charter.remit, review.ask.source());
    let now = review.door.engine.now();
    let body = html! {
        h1 { "Allow this?" }
        section class="card" {
            h2 { "Purpose" }
            blockquote { bdi { (charter.purpose) } }
            h2 { (name(review.ask)) " may" }
            (deeds(review))
            @if !charter.foreseen.is_empty() {
                h2 { "Without asking anybody" }
                (in_force(&charter.foreseen))
            }
            h2 { "Within" }
            ul class="plain" {
                li { (words::until(remit, now)) }
                li { (words::budget(remit)) }
                li { (words::ceiling(remit)) }
            }
            p class="quiet" {
                "Every call is still decided by this server’s policies, which may refuse it or ask an \
                 approver, and goes on record; your yes does as that of " code { (review.person) }
                ". You can stop the task at any time: " code { "remit task close" } "."
            }
        }
        (facts(review.door, review.ask))
        form method="post" action=(DECIDE) {
            input type="hidden" name="ticket" value=(ticket);
            div class="actions" {
                button type="submit" name="do" value="allow" class="primary" { "Allow" }
                button type="submit" name="do" value="edit" { "Change" }
                button type="submit" name="do" value="deny" { "Deny" }
            }
        }
    };
    respond(StatusCode::OK, "Allow this?", &Leads::To(&source), &body)
}

fn deeds(review: &Review<'_>) -> Markup {
    let deeds = words::deeds(&review.task.charter.remit, review.offers);
    html! {
        ul class="deeds" {
            @for deed in deeds {
                @if deed.tools.is_empty() {
                    li class="not" { span aria-hidden="true" { "—" } (deed.words) }
                } @else {
                    li class="can" {
                        span aria-hidden="true" { "✓" }
                        strong { (deed.words) }
                        ul { @for tool in &deed.tools { li { bdi { (tool) } } } }
                    }
                }
            }
        }
    }
}
