//! The page that asks for the passphrase.

use axum::response::Response;
use http::StatusCode;
use maud::html;
use remit_operator::SignInError;
use remit_token_api::AUTHORIZE;

use super::facts::{facts, name};
use super::{Leads, respond};
use crate::Door;
use crate::ask::Ask;

/// Asks for the passphrase; `query` are the parameters that the client sent, `why` says what was wrong.
pub(crate) fn sign_in(door: &Door, ask: &Ask, query: &str, why: Option<SignInError>) -> Response {
    let status = match why {
        None => StatusCode::OK,
        Some(SignInError::Wrong) => StatusCode::UNAUTHORIZED,
        Some(SignInError::TooMany) => StatusCode::TOO_MANY_REQUESTS,
    };
    let issuer = door.engine.realm().issuer();
    let body = html! {
        h1 { (name(ask)) " asks to work as an agent" }
        p class="lead" {
            "Sign in to say what it is to do and what it may use. Nothing is allowed by signing in."
        }
        (facts(door, ask))
        form method="post" action={ (AUTHORIZE) "?" (query) } class="card" {
            @if let Some(why) = why {
                p class="problem" role="alert" id="why" { (why) }
            }
            input type="text" name="who" value="operator" autocomplete="username" hidden;
            label for="passphrase" { "Operator’s passphrase" }
            input type="password" id="passphrase" name="passphrase" required autofocus
                autocomplete="current-password" aria-describedby="where";
            p class="quiet" id="where" {
                "That of this Remit, at " code { (issuer) } ", and of nobody else: look at the address bar. \
                 It is used for this one request and not kept."
            }
            div class="actions" { button type="submit" class="primary" { "Sign in" } }
        }
    };
    respond(status, "Sign in", &Leads::Here, &body)
}
