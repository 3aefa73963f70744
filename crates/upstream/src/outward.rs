//! The parameters of a call as a server is to see them: only `_meta` differs from what the client
//! sent, every other byte is the one that was decided and recorded.

use remit_mcp::meta::{self, RequestMeta};
use remit_mcp::{Edit, Era, Id, Object, Raw, Request, Revision};
use remit_ports::Link;

use crate::wire::Ask;

/// The capabilities of clients that servers are told of: what can be carried back to them.
const CARRIED: [&str; 2] = ["elicitation", "roots"];

/// Our name, as servers are told.
pub(crate) const NAME: &str = "remit";

/// What a server is told about the client behind us: the capabilities we can carry, nothing else.
/// Sampling is off: a server must not speak through the agent's model.
pub(crate) fn capabilities(link: Option<&Link>) -> Raw {
    let declared = link.and_then(|link| link.capabilities.as_deref());
    let declared = declared.and_then(|text| Raw::parse(text).ok());
    let declared = declared.and_then(|raw| Object::parse(&raw).ok());
    let Some(declared) = declared else { return Object::empty().raw().clone() };
    // From what is carried and not from what is not, of which a client may declare any number.
    let nothing = Object::empty();
    CARRIED
        .iter()
        .fold(Edit::of(&nothing), |edit, name| edit.put(name, declared.get(name)))
        .finish()
}

/// What we call ourselves to servers; `version` is ours.
pub(crate) fn implementation(version: &str) -> Raw {
    meta::implementation(NAME, version)
}

/// The metadata of a request to a server of the stateless era, from us, who are called `us`.
pub(crate) fn request_meta(us: &Raw, link: Option<&Link>) -> RequestMeta {
    RequestMeta {
        revision: Revision::LATEST,
        capabilities: capabilities(link),
        client_info: Some(us.clone()),
        log_level: None,
    }
}

/// `params` for a server of `revision`: the client's progress token is taken out (the wire puts
/// ours in), the keys of the stateless era are set or stripped.
pub(crate) fn params(
    params: Option<&Object>,
    revision: Revision,
    us: &Raw,
    link: Option<&Link>,
) -> Option<Raw> {
    let given = params.and_then(|params| params.object("_meta"));
    let meta = match revision.era() {
        Era::Stateless => {
            let given = given.unwrap_or_else(Object::empty);
            let log_level = given.text(meta::LOG_LEVEL);
            let ours = RequestMeta { log_level, ..request_meta(us, link) };
            Some(ours.inject(Edit::of(&given).remove(meta::PROGRESS_TOKEN)))
        }
        Era::Sessions => given.and_then(|given| {
            let given = Edit::of(&given).remove(meta::PROGRESS_TOKEN).finish();
            meta::strip(&Object::parse(&given).ok()?)
        }),
    };
    meta::replace(params, meta)
}

/// The message of `ask` under our `id`, which is also its progress token where the client wants
/// progress.
///
/// Errors: the parameters are no object, in words.
pub(crate) fn message(id: u64, ask: &Ask) -> Result<Request, String> {
    let wants_progress = ask.link.as_ref().is_some_and(|link| link.progress_token.is_some());
    let tokened = if wants_progress { with_token(ask.params.as_ref(), id) } else { None };
    let params = tokened.as_ref().or(ask.params.as_ref());
    Request::build(&Id::number(id), &ask.method, params).map_err(|e| e.to_string())
}

/// `params` asking for progress under our own token.
fn with_token(params: Option<&Raw>, token: u64) -> Option<Raw> {
    let params = params.and_then(|raw| Object::parse(raw).ok()).unwrap_or_else(Object::empty);
    let meta = params.object("_meta").unwrap_or_else(Object::empty);
    let meta = Edit::of(&meta).set(meta::PROGRESS_TOKEN, Raw::from(token)).finish();
    meta::replace(Some(&params), Some(meta))
}

#[cfg(test)]
mod tests {
    use remit_testkit::samples;

    use super::*;

    fn object(text: &str) -> Object {
        Object::parse(&Raw::parse(text).unwrap()).unwrap()
    }

    fn us() -> Raw {
        implementation("7")
    }

    fn link(capabilities: &str) -> Link {
        Link { capabilities: Some(capabilities.to_owned()), ..samples::link() }
    }

    const CALL: &str = r#"{"name":"x", "arguments" : {"n":1.50},"_meta":{"progressToken":"c","io.modelcontextprotocol/protocolVersion":"2026-07-28","traceparent":"00"}}"#;

    #[test]
    fn a_session_sees_no_modern_key_and_no_foreign_token() {
        let sent = params(Some(&object(CALL)), Revision::V2025_11_25, &us(), None).unwrap();
        assert_eq!(
            sent.as_str(),
            r#"{"name":"x", "arguments" : {"n":1.50},"_meta":{"traceparent":"00"}}"#
        );
        let bare = params(
            Some(&object(r#"{"name":"x","_meta":{"progressToken":1}}"#)),
            Revision::V2025_11_25,
            &us(),
            None,
        );
        assert_eq!(bare.unwrap().as_str(), r#"{"name":"x"}"#);
        assert_eq!(params(None, Revision::V2025_11_25, &us(), None), None);
    }

    #[test]
    fn a_stateless_server_hears_of_us_and_of_what_we_can_carry() {
        let link = link(r#"{"sampling":{},"elicitation":{"form":{}},"experimental":{"x":1}}"#);
        let sent = params(Some(&object(CALL)), Revision::LATEST, &us(), Some(&link)).unwrap();
        let sent = object(sent.as_str());
        assert_eq!(sent.get("arguments").unwrap().as_str(), "{\"n\":1.50}");
        let meta = RequestMeta::read(Some(&sent)).unwrap().unwrap();
        assert_eq!(meta.capabilities.as_str(), r#"{"elicitation":{"form":{}}}"#);
        assert_eq!(meta.client_info, Some(us()));
        assert!(!sent.object("_meta").unwrap().has("progressToken"));
    }

    #[test]
    fn what_cannot_be_carried_costs_no_more_the_more_of_it_is_declared() {
        let declared =
            (0..200_000).map(|n| format!(r#""x{n}":{{}}"#)).collect::<Vec<_>>().join(",");
        let link = link(&format!(r#"{{{declared},"roots":{{"listChanged":true}}}}"#));
        assert_eq!(capabilities(Some(&link)).as_str(), r#"{"roots":{"listChanged":true}}"#);
    }

    #[test]
    fn progress_is_asked_for_under_our_token() {
        let sent = with_token(Some(&Raw::parse(r#"{"a":1}"#).unwrap()), 9).unwrap();
        assert_eq!(sent.as_str(), r#"{"a":1,"_meta":{"progressToken":9}}"#);
    }
}
