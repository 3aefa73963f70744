//! The steps: asked, signed in, said, read, allowed or denied.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use remit_engine::Template;
use remit_engine::consent::Consent;
use remit_engine::open::{Opener, Proposal};
use remit_model::Task;
use remit_model::task::Consented;
use remit_operator::SignInError;

use crate::ask::{Ask, Bad};
use crate::choice::{Choice, Problems};
use crate::form::{Form, MAX_FORM, MAX_SIGN_IN};
use crate::page::{self, Edit, Review};
use crate::session::{Draft, Pending, SIGNED_IN, Turn, end_cookie, set_cookie};
use crate::{Door, offer, origin};

/// A form that did not come from our page.
const NOT_OURS: &str = "This form was not sent from a page of this server, so nothing was done. Go back to \
    the application and let it ask again.";
/// A form that came too late, twice, or from another browser.
const STALE: &str = "This form is no longer good: it was sent before, is older than ten minutes, or belongs \
    to another sign-in. Nothing was done. Go back to the application and let it ask again.";

/// `GET /oauth/authorize`: a client sends a person here. Whoever it is, they sign in for this.
pub(crate) async fn begin(State(door): State<Door>, request: Request<Body>) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    match Ask::read(&door, &Form::query(Some(&query))).await {
        Ok(ask) => page::sign_in(&door, &ask, &query, None),
        Err(bad) => refused(bad),
    }
}

/// `POST /oauth/authorize`: the passphrase; the parameters of the address are read anew.
pub(crate) async fn sign_in(State(door): State<Door>, request: Request<Body>) -> Response {
    if !origin::is_own(request.headers(), request.uri()) {
        return page::stop(StatusCode::FORBIDDEN, NOT_OURS);
    }
    let query = request.uri().query().unwrap_or_default().to_owned();
    let ask = match Ask::read(&door, &Form::query(Some(&query))).await {
        Ok(ask) => ask,
        Err(bad) => return refused(bad),
    };
    let form = match Form::body(request, MAX_SIGN_IN).await {
        Ok(form) => form,
        Err(why) => return page::stop(StatusCode::BAD_REQUEST, why),
    };
    let passphrase = form.all("passphrase").next().unwrap_or_default().to_owned();
    let person = match believe(&door, passphrase).await {
        Ok(person) => person,
        Err(why) => return page::sign_in(&door, &ask, &query, Some(why)),
    };
    let entropy = door.engine.ports().entropy.as_ref();
    let (turn, cookie) = Turn::begin(door.engine.now(), entropy);
    let pending = Pending { person, ask, draft: None, shown: None };
    let mut response = first(&door, &turn, pending, None);
    if let Some(cookie) = set_cookie(&SIGNED_IN, &cookie, door.is_secure()) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

async fn believe(door: &Door, passphrase: String) -> Result<String, SignInError> {
    let (people, now) = (Arc::clone(&door.people), door.engine.now());
    let tried =
        tokio::task::spawn_blocking(move || people.try_passphrase(None, &passphrase, now)).await;
    tried.unwrap_or(Err(SignInError::Wrong)).map(|actor| actor.name)
}

/// `POST /oauth/consent`: one step of somebody who is signed in.
pub(crate) async fn decide(State(door): State<Door>, request: Request<Body>) -> Response {
    if !origin::is_own(request.headers(), request.uri()) {
        return page::stop(StatusCode::FORBIDDEN, NOT_OURS);
    }
    let headers = request.headers().clone();
    // Nobody else's form is read at all.
    if !door.sessions.knows((&headers, door.is_secure()), door.engine.now()) {
        return page::stop(StatusCode::FORBIDDEN, STALE);
    }
    let form = match Form::body(request, MAX_FORM).await {
        Ok(form) => form,
        Err(why) => return page::stop(StatusCode::BAD_REQUEST, why),
    };
    let Some((turn, pending)) = taken(&door, &headers, &form) else {
        return page::stop(StatusCode::FORBIDDEN, STALE);
    };
    match form.one("do") {
        Ok(Some("deny")) => end(&door, &pending.ask.denied()),
        Ok(Some("allow")) => allow(&door, pending),
        Ok(Some("template")) => first(&door, &turn, pending, form.all("template").next()),
        Ok(Some("edit")) => again(&door, &turn, pending),
        Ok(Some("review")) => review(&door, &turn, pending, &form),
        _ => page::stop(StatusCode::BAD_REQUEST, STALE),
    }
}

fn taken(door: &Door, headers: &HeaderMap, form: &Form) -> Option<(Turn, Pending)> {
    let ticket = form.one("ticket").ok()??;
    door.sessions.take((headers, door.is_secure()), ticket, door.engine.now())
}

/// The form as it comes first, for the template of this name, else for the one that the client would
/// like, else for the first.
fn first(door: &Door, turn: &Turn, mut pending: Pending, named: Option<&str>) -> Response {
    let templates = offer::templates(&door.engine, &pending.ask.client.agent);
    let find = |name: &str| templates.iter().find(|template| template.name == name);
    let template = match named {
        Some(name) => find(name),
        None => find(&pending.ask.wish.template).or_else(|| templates.first()),
    };
    let Some(template) = template.cloned() else { return nothing_to_open(&pending.ask) };
    let offers = offer::of(&door.engine, &template, pending.ask.bound.server.as_ref());
    let choice = Choice::first(&template, &pending.ask.wish, &offers);
    pending.draft = Some(Draft { template: template.name.clone(), choice });
    edit(door, turn, pending, (&template, Problems::new(), None))
}

/// The form as it was filled in.
fn again(door: &Door, turn: &Turn, pending: Pending) -> Response {
    let named = pending.draft.as_ref().map(|draft| draft.template.clone()).unwrap_or_default();
    match template(door, &pending.ask, &named) {
        Some(template) => edit(door, turn, pending, (&template, Problems::new(), None)),
        None => nothing_to_open(&pending.ask),
    }
}

fn template(door: &Door, ask: &Ask, name: &str) -> Option<Arc<Template>> {
    let templates = offer::templates(&door.engine, &ask.client.agent);
    templates.into_iter().find(|template| template.name == name)
}

fn edit(
    door: &Door,
    turn: &Turn,
    mut pending: Pending,
    (template, problems, refusal): (&Template, Problems, Option<String>),
) -> Response {
    pending.shown = None;
    let (ask, draft) = (pending.ask.clone(), pending.draft.clone());
    let Some(draft) = draft else { return page::stop(StatusCode::BAD_REQUEST, STALE) };
    let ticket = put(door, turn, pending);
    let offers = offer::of(&door.engine, template, ask.bound.server.as_ref());
    let edit = Edit { door, ask: &ask, template, offers: &offers, choice: &draft.choice };
    page::edit(&edit, &ticket, (&problems, refusal.as_deref()))
}

fn put(door: &Door, turn: &Turn, pending: Pending) -> String {
    door.sessions.put(turn, pending, door.engine.ports().entropy.as_ref())
}

/// Shows what the filled-in form would open, which can be allowed from then on.
fn review(door: &Door, turn: &Turn, mut pending: Pending, form: &Form) -> Response {
    let named = form.all("template").next().unwrap_or_default();
    let Some(template) = template(door, &pending.ask, named) else {
        return nothing_to_open(&pending.ask);
    };
    let choice = Choice::read(form, &template);
    let offers = offer::of(&door.engine, &template, pending.ask.bound.server.as_ref());
    let made = choice.proposal(&template, &offers);
    pending.draft = Some(Draft { template: template.name.clone(), choice });
    let proposal = match made {
        Ok(proposal) => proposal,
        Err(problems) => return edit(door, turn, pending, (&template, problems, None)),
    };
    let proposal = Proposal {
        agent: Some(pending.ask.client.agent.clone()),
        jkt: pending.ask.bound.key,
        ..proposal
    };
    let by = by(&pending.person, &pending.ask);
    let opener = Opener::Person(pending.ask.client.agent.clone(), by);
    let shown = match door.engine.preview(&opener, proposal.clone()) {
        Ok(task) => task,
        Err(refusal) => {
            let why = format!("{refusal}; {}", refusal.remedy);
            return edit(door, turn, pending, (&template, Problems::new(), Some(why)));
        }
    };
    pending.shown = Some(Box::new(within(proposal, &shown)));
    let (ask, person) = (pending.ask.clone(), pending.person.clone());
    let ticket = put(door, turn, pending);
    page::review(
        &Review { door, ask: &ask, person: &person, task: &shown, offers: &offers },
        &ticket,
    )
}

fn by(person: &str, ask: &Ask) -> Consented {
    Consented { by: person.to_owned(), client: ask.client.id.clone() }
}

/// What was shown and no more, whatever the template says by the time that it is opened.
fn within(proposal: Proposal, shown: &Task) -> Proposal {
    let (within, flows) = (shown.charter.remit.clone(), shown.charter.foreseen.clone());
    Proposal { within: Some(within), shown: Some(flows), ..proposal }
}

/// Gives the client a code for what was shown. Nothing of the form but its ticket counts here.
fn allow(door: &Door, Pending { person, ask, shown, .. }: Pending) -> Response {
    let Some(proposal) = shown else { return page::stop(StatusCode::BAD_REQUEST, STALE) };
    let consent = Consent {
        by: by(&person, &ask),
        agent: ask.client.agent.clone(),
        proposal: *proposal,
        bound: ask.bound.clone(),
    };
    let code = door.engine.consent(consent);
    end(door, &ask.allowed(&code))
}

fn nothing_to_open(ask: &Ask) -> Response {
    let text = format!(
        "The agent {} may open no such template. Whoever runs this server can name it in `may_open` of a \
         [[template]].",
        ask.client.agent
    );
    page::stop(StatusCode::FORBIDDEN, &text)
}

fn refused(bad: Bad) -> Response {
    match bad {
        Bad::Shown(text) => page::stop(StatusCode::BAD_REQUEST, &text),
        Bad::Told(address) => go(&address),
    }
}

/// Sends the browser on with an answer; whoever was signed in is no more.
fn end(door: &Door, address: &str) -> Response {
    let mut response = go(address);
    if let Some(cookie) = end_cookie(&SIGNED_IN, door.is_secure()) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

fn go(address: &str) -> Response {
    let Ok(address) = HeaderValue::from_str(address) else {
        return page::stop(StatusCode::BAD_REQUEST, "The address of the answer is of no use.");
    };
    let never = HeaderValue::from_static("no-store");
    let quiet = ("referrer-policy", HeaderValue::from_static("no-referrer"));
    let mut response =
        (StatusCode::SEE_OTHER, [(LOCATION, address), (CACHE_CONTROL, never)]).into_response();
    response.headers_mut().insert(quiet.0, quiet.1);
    response
}
