//! Who asks, for whom, and where the answer goes: on every page, before anything can be done.

use maud::{Markup, html};

use crate::ask::Ask;
use crate::{Door, offer};

/// What the page says in the place of the name of a client that has none.
const NAMELESS: &str = "An application without a name";

/// The client's name, set apart from the text around it.
pub(crate) fn name(ask: &Ask) -> Markup {
    let name = &ask.client.name;
    html! { bdi { @if name.is_empty() { (NAMELESS) } @else { (name) } } }
}

/// The table of who asks.
pub(crate) fn facts(door: &Door, ask: &Ask) -> Markup {
    let client = &ask.client;
    let (host, local) = ask.answered_at();
    html! {
        dl class="facts" {
            div {
                dt { "Application" }
                dd {
                    strong { (name(ask)) }
                    @match &client.host {
                        Some(host) => p class="quiet" { "introduces itself from " code { (host) } "; the name is its own word" },
                        None => p class="quiet" { "registered here as " code { bdi { (client.id) } } },
                    }
                }
            }
            div {
                dt { "Acts as agent" }
                dd {
                    strong { code { (client.agent) } }
                    @if let Some(agent) = offer::agent(&door.engine, &client.agent) {
                        p class="quiet" {
                            @if !agent.purpose.is_empty() { (agent.purpose) "; " }
                            "answered for by " bdi { (agent.owner) }
                        }
                    }
                }
            }
            div {
                dt { "Answer goes to" }
                dd {
                    strong { code { (host) } }
                    @if client.keys.is_some() {
                        p class="quiet" { "of use only to whoever has a key of the application’s" }
                    } @else if local {
                        p class="warning" {
                            "A program on this machine takes the answer, and any program here could. \
                             Go on only if you have just started the application yourself."
                        }
                    }
                }
            }
        }
    }
}
