//! What text from outside may decide without anybody being asked: what a template offers, and what of it
//! is about to be allowed.

use maud::{Markup, html};
use remit_engine::Template;
use remit_model::Foreseen;
use remit_model::foreseen::Offered;

use crate::flows::{Flows, Said, bound_field, times_field};

/// Those that `template` offers, with what was said of each and what is wrong with that.
pub(super) fn flows(template: &Template, flows: &Flows, problem: &Markup) -> Markup {
    html! {
        section class="card" {
            h2 { "What it reads may decide" }
            p class="quiet" {
                "Where text from outside would choose whom or what a call touches, the call is refused or waits \
                 for an approver. Tick what you expect it to choose: that passes without asking."
            }
            (problem)
            ul class="tools" {
                @for (offered, flow) in template.foreseen.offered() {
                    @if let Some(said) = flows.said(&offered.name) {
                        li { (one(offered, flow, said)) }
                    }
                }
            }
        }
    }
}

fn one(Offered { name, title }: &Offered, flow: &Foreseen, said: &Said) -> Markup {
    html! {
        label class="tool" {
            input type="checkbox" name="flow" value=(name) checked[said.ticked];
            span class="tool-name" { (title) }
            span class="only" { (sentence(flow)) }
        }
        div class="limits" {
            (bound("Calls", &times_field(name), (&said.times, flow.times.into())))
            @for (path, most) in flow.bounds() {
                @let value = said.at_most.get(path).map(String::as_str).unwrap_or_default();
                (bound(&path.0, &bound_field(name, path), (value, most.into())))
            }
        }
    }
}

fn bound(label: &str, field: &str, (value, most): (&str, i128)) -> Markup {
    html! {
        div {
            label {
                (label)
                input type="number" inputmode="numeric" name=(field) value=(value) max=(most);
            }
            p class="quiet" { "at most " (most) }
        }
    }
}

/// What it is, with the names in it set apart.
fn sentence(flow: &Foreseen) -> Markup {
    let text = flow.to_string();
    html! {
        @for (number, part) in text.split('`').enumerate() {
            @if number % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// Those that would be in force.
pub(super) fn in_force(flows: &[Foreseen]) -> Markup {
    html! {
        ul class="deeds" {
            @for flow in flows {
                li class="can" {
                    span aria-hidden="true" { "✓" }
                    @if let Some(offered) = &flow.offered { strong { (offered.title) } }
                    ul { li { (sentence(flow)) } }
                }
            }
        }
    }
}
