//! What a client asks for (RFC 6749 section 4.1.1), read and checked before a person sees it.
//!
//! Until the client and the address of its answers are believed, what is wrong is shown to the person and
//! sent nowhere; from then on the client is told (RFC 6749 section 4.1.2.1).

use remit_engine::consent::Bound;
use remit_engine::open::Proposal;
use remit_jose::Thumbprint;
use remit_model::ServerName;
use remit_token::Challenge;
use remit_token_api::details;

use crate::client::Known;
use crate::form::Form;
use crate::redirect;
use crate::{Door, redirect::is_local};

/// The longest `state` (R13): it is kept, and sent back.
const MAX_STATE: usize = 4096;

/// What a client asks for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) client: Known,
    /// What whoever comes for the answer must show.
    pub(crate) bound: Bound,
    /// What it would like; words of the client's.
    pub(crate) wish: Proposal,
    answers: Answers,
}

/// Where a client's answers go, and what stands in each.
#[derive(Clone, Debug)]
struct Answers {
    address: String,
    state: Option<String>,
    issuer: String,
}

/// Why nothing is asked.
#[derive(Debug)]
pub(crate) enum Bad {
    /// A text for the person.
    Shown(String),
    /// An address, with the error for the client in it.
    Told(String),
}

impl Answers {
    /// The address with these parameters, the client's `state`, and who answers (RFC 9207).
    fn with(&self, parameters: &[(&str, &str)]) -> String {
        let state = self.state.as_deref().map(|state| ("state", state));
        let always = state.into_iter().chain([("iss", self.issuer.as_str())]);
        let all: Vec<_> = parameters.iter().copied().chain(always).collect();
        redirect::with(&self.address, &all)
    }

    fn error(&self, code: &str, why: &str) -> Bad {
        Bad::Told(self.with(&[("error", code), ("error_description", &quotable(why))]))
    }
}

/// RFC 6749 section 4.1.2.1 leaves out what could end a quoted string.
fn quotable(text: &str) -> String {
    text.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).collect()
}

impl Ask {
    /// Reads the parameters of a request.
    ///
    /// Errors: they do not ask for something that a person could allow.
    pub(crate) async fn read(door: &Door, form: &Form) -> Result<Self, Bad> {
        let need = |name| form.one(name).map_err(Bad::Shown);
        let missing = |name| Bad::Shown(format!("The application left out the parameter {name}."));
        let id = need("client_id")?.ok_or_else(|| missing("client_id"))?;
        let address = need("redirect_uri")?.ok_or_else(|| missing("redirect_uri"))?;
        let client = door.clients.find(id, door.engine.now()).await;
        let client = client.map_err(|why| Bad::Shown(why.to_string()))?;
        if !client.may_be_answered_at(address) {
            let text = "The application wants its answer sent to an address that is not registered for \
                it. Nothing was sent anywhere.";
            return Err(Bad::Shown(text.to_owned()));
        }
        let issuer = door.engine.realm().issuer().to_owned();
        let mut answers = Answers { address: address.to_owned(), state: None, issuer };
        let state = form.one("state").map_err(|why| answers.error("invalid_request", &why))?;
        if state.is_some_and(|state| state.len() > MAX_STATE) {
            let why = format!("expected a `state` of at most {MAX_STATE} bytes");
            return Err(answers.error("invalid_request", &why));
        }
        answers.state = state.map(str::to_owned);
        let (bound, wish) =
            terms(door, form, (&client, address)).map_err(|(c, why)| answers.error(c, &why))?;
        Ok(Self { client, bound, wish, answers })
    }

    /// Where the browser goes with a code.
    pub(crate) fn allowed(&self, code: &str) -> String {
        self.answers.with(&[("code", code)])
    }

    /// Where it goes with a no.
    pub(crate) fn denied(&self) -> String {
        let why = "the person did not allow it";
        self.answers.with(&[("error", "access_denied"), ("error_description", why)])
    }

    /// The origin to which the browser may go on from a form.
    pub(crate) fn source(&self) -> String {
        redirect::source(&self.answers.address)
    }

    /// The host that gets the answer, and whether that is this machine.
    pub(crate) fn answered_at(&self) -> (String, bool) {
        (redirect::host(&self.answers.address), is_local(&self.answers.address))
    }
}

/// The rest of the parameters, whose errors the client is told.
fn terms(
    door: &Door,
    form: &Form,
    (client, address): (&Known, &str),
) -> Result<(Bound, Proposal), (&'static str, String)> {
    let one = |name| form.one(name).map_err(|why| ("invalid_request", why));
    match one("response_type")? {
        Some("code") => {}
        _ => return Err(("unsupported_response_type", "expected the response type `code`".into())),
    }
    if one("response_mode")?.is_some_and(|mode| mode != "query") {
        return Err(("invalid_request", "expected the response mode `query`".into()));
    }
    if one("request")?.is_some() || one("request_uri")?.is_some() {
        return Err(("request_not_supported", "request objects are not read here".into()));
    }
    // Left out, it would mean `plain` (RFC 7636 section 4.3).
    if one("code_challenge_method")? != Some("S256") {
        return Err(("invalid_request", "expected `code_challenge_method` S256".into()));
    }
    let challenge = one("code_challenge")?.unwrap_or_default();
    let challenge =
        Challenge::s256(challenge).map_err(|why| ("invalid_request", why.to_string()))?;
    let key = one("dpop_jkt")?.map(str::parse::<Thumbprint>).transpose();
    let key = key.map_err(|why| ("invalid_request", format!("`dpop_jkt`: {why}")))?;
    let wish = details::wish(one("authorization_details")?);
    let wish = wish.map_err(|why| ("invalid_authorization_details", why))?;
    let server = one("resource")?.map(|resource| part(door, resource)).transpose();
    let server = server.map_err(|why| ("invalid_target", why))?.flatten();
    let (redirect_uri, confidential) = (address.to_owned(), client.keys.is_some());
    Ok((Bound { redirect_uri, challenge, server, key, confidential }, wish))
}

/// The one server that is meant, or all (RFC 8707).
fn part(door: &Door, resource: &str) -> Result<Option<ServerName>, String> {
    let realm = door.engine.realm();
    let known = |server: &ServerName| door.engine.settings().servers.contains_key(server);
    match realm.part(resource) {
        Some(None) => Ok(None),
        Some(Some(server)) if known(&server) => Ok(Some(server)),
        _ => Err(format!("expected the resource `{}`, or one server's below it", realm.audience())),
    }
}
