//! The pages around a visit to an authorization server.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};
use remit_ports::{CONNECT, Connection};

use super::{Leads, respond};

/// Says what would be connected, for whom.
pub(crate) fn connect(connection: &Connection, ticket: &str) -> Response {
    let body = html! {
        h1 { "Connect your account?" }
        p class="lead" {
            "You are about to sign in at " code { (connection.server) } " and to let Remit use your account there. "
            strong { "Whose tasks may use it stands below. If that is not you, close this page." }
        }
        (facts(connection))
        form method="post" action={ (CONNECT) (ticket) } class="card" {
            p class="quiet" {
                "Remit keeps what it gets there sealed and for nobody else, and agents never see it. You can take "
                "it back at " code { (connection.server) } " at any time."
            }
            div class="actions" { button type="submit" class="primary" { "Go on and sign in" } }
        }
    };
    respond(StatusCode::OK, "Connect your account", &Leads::Here, &body)
}

/// Leads on to the authorization server.
pub(crate) fn going_on(address: &str) -> Response {
    let body = html! {
        h1 { "Going on" }
        p class="lead" { a href=(address) rel="noreferrer" { "Go on and sign in" } }
    };
    respond(StatusCode::OK, "Going on", &Leads::Here, &body)
}

/// Says that it is done.
pub(crate) fn connected(connection: &Connection) -> Response {
    let body = html! {
        h1 { "Connected" }
        p class="lead" { "Tasks can use the account from now on, as far as their remits go." }
        (facts(connection))
        p class="quiet" { "You can close this page." }
    };
    respond(StatusCode::OK, "Connected", &Leads::Here, &body)
}

/// Says why it is not.
pub(crate) fn not_connected(status: StatusCode, why: &str) -> Response {
    let body = html! {
        h1 { "Nothing was connected" }
        p class="lead" role="alert" { (why) }
        p class="quiet" { "You can close this page. `remit credential connect` gives another address." }
    };
    respond(status, "Nothing was connected", &Leads::Here, &body)
}

fn facts(connection: &Connection) -> Markup {
    html! {
        dl class="facts" {
            div { dt { "Used in tasks of" } dd {
                @match &connection.person {
                    Some(person) => { strong { (person.subject) } ", as " code { (person.issuer) } " calls them" }
                    None => { strong { "nobody" } ": for what Remit itself asks, such as which tools there are" }
                }
            } }
            div { dt { "Credential" } dd { code { (connection.credential) } } }
            div { dt { "Sign in at" } dd { code { (connection.server) } } }
            div { dt { "What it may do" } dd {
                @if connection.scopes.is_empty() { "what that server gives without being asked for more" }
                @for scope in &connection.scopes { code { (scope) } " " }
            } }
        }
    }
}
