//! The pages, made by the server: plain forms, no script, nothing from elsewhere.

mod connect;
mod edit;
mod facts;
mod flows;
mod review;
mod sign_in;

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderValue, StatusCode};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use remit_model::Digest;

pub(crate) use self::connect::{connect, connected, going_on, not_connected};
pub(crate) use self::edit::{Edit, edit};
pub(crate) use self::review::{Review, review};
pub(crate) use self::sign_in::sign_in;

/// The one style sheet. It stands in each page, which the policy knows by its hash.
const STYLE: &str = include_str!("style.css");

/// Where a page's form may lead, beside here.
pub(crate) enum Leads<'a> {
    /// Nowhere.
    Here,
    /// To the client's answer.
    To(&'a str),
}

fn policy(leads: &Leads<'_>) -> HeaderValue {
    static STYLE_HASH: LazyLock<String> =
        LazyLock::new(|| BASE64.encode(&Digest::of(STYLE.as_bytes()).0));
    let source = match leads {
        Leads::Here => "",
        Leads::To(source) => source,
    };
    let text = format!(
        "default-src 'none'; style-src 'sha256-{}'; form-action 'self' {source}; \
         frame-ancestors 'none'; base-uri 'none'",
        *STYLE_HASH
    );
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// A page. `same-origin` rather than `no-referrer`: with that, a browser sends our own forms with
/// `Origin: null` (Fetch section 3.2), which is also what it sends from a page of nowhere.
fn respond(status: StatusCode, title: &str, leads: &Leads<'_>, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Remit" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header class="top" { span class="mark" { "Remit" } }
                main { (body) }
            }
        }
    };
    let fixed = HeaderValue::from_static;
    let headers = [
        (CONTENT_TYPE, fixed("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, policy(leads)),
        (CACHE_CONTROL, fixed("no-store")),
        (REFERRER_POLICY, fixed("same-origin")),
        (X_FRAME_OPTIONS, fixed("DENY")),
        (X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
    ];
    (status, headers, page.into_string()).into_response()
}

/// A page that leads nowhere: why nothing is asked.
pub(crate) fn stop(status: StatusCode, why: &str) -> Response {
    let body = html! {
        h1 { "Nothing was allowed" }
        p class="lead" role="alert" { (why) }
        p class="quiet" { "You can close this page." }
    };
    respond(status, "Nothing was allowed", &Leads::Here, &body)
}
