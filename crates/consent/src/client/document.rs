//! Client ID metadata documents: a client's id is an address, and what stands there introduces it
//! (draft-ietf-oauth-client-id-metadata-document).
//!
//! What is fetched is bounded three times: only addresses that the configuration maps to an agent are
//! fetched at all, few in each minute, and what came is kept for a while, good or bad. Which machines may
//! be reached is the business of whoever brings the [`Documents`].

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use remit_jose::KeySet;
use remit_model::{Timestamp, Value};

use super::keys::{self, Proves};
use crate::check_redirect;
use crate::text::{MAX_NAME, tame};

/// The most bytes of a document (R13); the draft recommends 5 KiB.
pub const MAX_DOCUMENT: usize = 16 * 1024;
/// How many documents and sets of keys are fetched in each [`FETCH_WINDOW`], of all clients together (R13).
const FETCHES_PER_WINDOW: u32 = 20;
const FETCH_WINDOW: Duration = Duration::from_mins(1);
/// How many documents are kept (R13), and for how long: a client that changes its addresses or keys waits for it.
const MAX_KEPT: usize = 64;
const KEPT: Duration = Duration::from_mins(10);
/// How long it is remembered that there was nothing good.
const KEPT_FAILURE: Duration = Duration::from_secs(30);
/// How many redirect addresses a document may name (R13).
const MAX_REDIRECTS: usize = 32;

/// Which machines a document may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Those that everybody reaches.
    Public,
    /// Also this one, and those of networks that only this one is in: somebody said that this very
    /// document is there.
    Private,
}

/// What came, or why nothing did.
pub type Fetched<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send + 'a>>;

/// Whoever brings documents: at most [`MAX_DOCUMENT`] bytes of JSON, over https, without following
/// redirects, soon.
pub trait Documents: fmt::Debug + Send + Sync {
    /// Brings the one at `url`.
    fn fetch<'a>(&'a self, url: &'a str, reach: Reach) -> Fetched<'a>;
}

/// What a client says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its name, in its own words.
    pub name: String,
    /// Where its answers may go.
    pub redirect_uris: Vec<String>,
    /// How it proves to be it.
    pub proves: Proves,
}

/// A client that was introduced.
#[derive(Clone, Debug)]
pub(super) struct Introduction {
    pub(super) name: String,
    pub(super) redirect_uris: Vec<String>,
    /// By what it proves to be it; `None` of a public one.
    pub(super) keys: Option<Arc<KeySet>>,
}

/// Host and path of the address of a document: https, with a path, and written in one way only.
pub(super) fn split(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("https://")?;
    let (authority, path) = rest.split_at_checked(rest.find('/')?)?;
    let host = authority.split_once(':').map_or(authority, |(host, _)| host);
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:".contains(&b);
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/%@+,=".contains(&b);
    let dots = path.split('/').any(|segment| segment == "." || segment == "..");
    let port = authority.split_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_ok());
    let good = !host.is_empty() && authority.bytes().all(letter) && port;
    (good && path.len() > 1 && path.bytes().all(plain) && !dots).then_some((authority, path))
}

/// Documents that were fetched.
#[derive(Debug)]
pub(super) struct Shelf {
    documents: Box<dyn Documents>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    kept: BTreeMap<String, (Timestamp, Result<Introduction, String>)>,
    window: Timestamp,
    fetched: u32,
}

impl Shelf {
    pub(super) fn new(documents: Box<dyn Documents>) -> Self {
        Self { documents, inner: Mutex::default() }
    }

    pub(super) fn clear(&self) {
        self.lock().kept.clear();
    }

    /// The client that the document at `url` introduces, which is fetched if need be, and its keys with it.
    ///
    /// Errors: it cannot be had, or does not introduce the client of this id; in words for a person.
    pub(super) async fn fetch(
        &self,
        url: &str,
        reach: Reach,
        now: Timestamp,
    ) -> Result<Introduction, String> {
        if let Some(kept) = self.lock().kept(url, now) {
            return kept;
        }
        self.lock().turn(now)?;
        let document = self.documents.fetch(url, reach).await;
        let document = document.and_then(|bytes| Document::read(url, &bytes));
        if let Ok(Document { proves: Proves::ByThoseAt(_), .. }) = &document {
            // Keys that have to wait say nothing of the document.
            self.lock().turn(now)?;
        }
        let read = match document {
            Ok(document) => self.introduced(document, reach).await,
            Err(why) => Err(why),
        };
        let read = read.map_err(|why| {
            format!(
                "The document that should introduce the client {} is of no use: {why}.",
                tame(url, MAX_NAME)
            )
        });
        self.lock().keep(url, read.clone(), now);
        read
    }

    async fn introduced(&self, document: Document, reach: Reach) -> Result<Introduction, String> {
        let Document { name, redirect_uris, proves } = document;
        let keys = match proves {
            Proves::Nothing => None,
            Proves::By(keys) => Some(keys),
            Proves::ByThoseAt(address) => {
                let fetched = self.documents.fetch(&address, reach).await;
                Some(
                    fetched
                        .and_then(|set| keys::fetched(&set))
                        .map_err(|why| format!("at its `jwks_uri`, {why}"))?,
                )
            }
        };
        Ok(Introduction { name, redirect_uris, keys })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// What is kept for `url`.
    fn kept(&mut self, url: &str, now: Timestamp) -> Option<Result<Introduction, String>> {
        self.kept.retain(|_, (until, _)| now < *until);
        self.kept.get(url).map(|(_, kept)| kept.clone())
    }

    /// Counts something that is fetched now.
    ///
    /// Errors: no more may be fetched for the moment.
    fn turn(&mut self, now: Timestamp) -> Result<(), String> {
        if now.since(self.window) >= FETCH_WINDOW {
            (self.window, self.fetched) = (now, 0);
        }
        if self.fetched >= FETCHES_PER_WINDOW {
            return Err("Too many clients were looked up: try again in a minute.".to_owned());
        }
        self.fetched += 1;
        Ok(())
    }

    fn keep(&mut self, url: &str, read: Result<Introduction, String>, now: Timestamp) {
        let lasts = if read.is_ok() { KEPT } else { KEPT_FAILURE };
        while self.kept.len() >= MAX_KEPT {
            let first = self.kept.iter().min_by_key(|(_, (until, _))| *until);
            let Some(first) = first.map(|(url, _)| url.clone()) else { break };
            self.kept.remove(&first);
        }
        self.kept.insert(url.to_owned(), (now.after(lasts), read));
    }
}

/// Reads JSON that was fetched; `what` begins the sentence that says what is wrong with it.
pub(super) fn json(what: &str, bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| format!("{what} not UTF-8"))?;
    Value::parse(text).map_err(|why| format!("{what} not JSON as expected: {why}"))
}

impl Document {
    /// Reads the document that was found at `url`.
    ///
    /// Errors: it does not introduce the client of this id; in words.
    pub fn read(url: &str, bytes: &[u8]) -> Result<Self, String> {
        let value = json("it is", bytes)?;
        let member = |name| value.member(name).and_then(Value::as_text);
        if member("client_id") != Some(url) {
            return Err("its `client_id` is not its own address".to_owned());
        }
        if value.member("client_secret").is_some() {
            return Err("it holds a `client_secret`, which everybody can read there".to_owned());
        }
        let proves = Proves::read(url, &value)?;
        let Some(Value::List(uris)) = value.member("redirect_uris") else {
            return Err("it has no list `redirect_uris`".to_owned());
        };
        if uris.len() > MAX_REDIRECTS {
            return Err(format!("it has more than {MAX_REDIRECTS} `redirect_uris`"));
        }
        let usable =
            uris.iter().filter_map(Value::as_text).filter(|uri| check_redirect(uri).is_ok());
        let redirect_uris: Vec<String> = usable.map(str::to_owned).collect();
        if redirect_uris.is_empty() {
            return Err("none of its `redirect_uris` is https or on this machine".to_owned());
        }
        let name = member("client_name").unwrap_or_default().to_owned();
        Ok(Self { name, redirect_uris, proves })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://app.example/client.json";
    const KEY: &str =
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    fn document(more: &str) -> String {
        format!(
            r#"{{"client_id":"{URL}","redirect_uris":["http://127.0.0.1/cb","cursor://x/y"]{more}}}"#
        )
    }

    fn signing(keys: &str) -> String {
        document(&format!(r#","token_endpoint_auth_method":"private_key_jwt",{keys}"#))
    }

    #[test]
    fn a_document_introduces_the_client_at_its_own_address() {
        let read = |text: &str| Document::read(URL, text.as_bytes());
        let good = read(&document(r#","client_name":"App","logo_uri":"https://x/y""#)).unwrap();
        assert_eq!(good.name, "App");
        assert_eq!(
            good.redirect_uris,
            ["http://127.0.0.1/cb"],
            "what cannot be answered is left out"
        );
        assert_eq!(good.proves, Proves::Nothing);
        let by_address = read(&signing(r#""jwks_uri":"https://app.example/keys""#)).unwrap();
        assert_eq!(by_address.proves, Proves::ByThoseAt("https://app.example/keys".to_owned()));
        let own = read(&signing(&format!(r#""jwks":{{"keys":[{KEY}]}}"#))).unwrap();
        assert!(matches!(own.proves, Proves::By(_)), "{own:?}");
        for (text, why) in [
            (document("").replace("client.json", "other.json"), "not its own address"),
            (document("").replace("app.example", "app.example:443"), "not its own address"),
            (document(r#","client_secret":"x""#), "client_secret"),
            (document(r#","token_endpoint_auth_method":"client_secret_basic""#), "auth_method"),
            (document(r#","token_endpoint_auth_method":"private_key_jwt""#), "has not one of"),
            (signing(r#""jwks":{"keys":[]},"jwks_uri":"https://app.example/k""#), "has not one of"),
            (signing(r#""jwks":{"keys":[]}"#), "it has 0 keys"),
            (signing(r#""jwks":{"keys":[{"kty":"RSA","d":"x"}]}"#), "private member `d`"),
            (signing(r#""jwks_uri":"https://evil.example/keys""#), "on its own host"),
            (signing(r#""jwks_uri":"https://app.example:8443/keys""#), "on its own host"),
            (signing(r#""jwks_uri":"http://app.example/keys""#), "on its own host"),
            (signing(r#""jwks_uri":7"#), "on its own host"),
            (document(&format!(r#","client_id":"{URL}""#)), "not JSON as expected"),
            (r#"{"redirect_uris":[]}"#.to_owned(), "not its own address"),
            (format!(r#"{{"client_id":"{URL}"}}"#), "no list"),
            (format!(r#"{{"client_id":"{URL}","redirect_uris":["javascript:x"]}}"#), "none of its"),
            ("<html>".to_owned(), "not JSON"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[derive(Debug)]
    struct Nowhere;
    impl Documents for Nowhere {
        fn fetch<'a>(&'a self, _: &'a str, _: Reach) -> Fetched<'a> {
            Box::pin(std::future::ready(Err("nobody there".to_owned())))
        }
    }

    /// A document, and elsewhere on its host what it says are its keys.
    #[derive(Debug)]
    struct Signing(&'static str);
    impl Documents for Signing {
        fn fetch<'a>(&'a self, url: &'a str, _: Reach) -> Fetched<'a> {
            let text = match url {
                URL => signing(r#""jwks_uri":"https://app.example/keys""#),
                _ => self.0.replace("KEY", KEY),
            };
            Box::pin(std::future::ready(Ok(text.into_bytes())))
        }
    }

    #[tokio::test]
    async fn keys_come_with_the_document_or_it_introduces_nobody() {
        let now = Timestamp::from_secs(1_000_000);
        let shelf = Shelf::new(Box::new(Signing(r#"{"keys":[KEY]}"#)));
        let introduced = shelf.fetch(URL, Reach::Public, now).await.unwrap();
        assert_eq!(introduced.keys.unwrap().thumbprints().len(), 1);
        assert_eq!(shelf.lock().fetched, 2, "both count");
        for (keys, why) in [
            ("<html>", "at its `jwks_uri`, its keys are not JSON"),
            ("{}", "no list `keys`"),
            (r#"{"keys":[KEY,KEY]}"#, "two of them are the same"),
            (r#"{"keys":[{"kty":"oct","k":"AA"}]}"#, "private member `k`"),
        ] {
            let shelf = Shelf::new(Box::new(Signing(keys)));
            let error = shelf.fetch(URL, Reach::Public, now).await.unwrap_err();
            assert!(error.contains(why), "{keys}: {error}");
        }
    }

    #[tokio::test]
    async fn keys_that_have_to_wait_say_nothing_of_the_document() {
        let now = Timestamp::from_secs(1_000_000);
        let shelf = Shelf::new(Box::new(Signing(r#"{"keys":[KEY]}"#)));
        for _ in 1..FETCHES_PER_WINDOW {
            shelf.lock().turn(now).unwrap();
        }
        let error = shelf.fetch(URL, Reach::Public, now).await.unwrap_err();
        assert!(error.starts_with("Too many clients"), "{error}");
        assert!(shelf.fetch(URL, Reach::Public, now.after(FETCH_WINDOW)).await.is_ok());
    }

    #[tokio::test]
    async fn few_are_fetched_in_a_minute_and_what_came_is_kept() {
        let shelf = Shelf::new(Box::new(Nowhere));
        let mut now = Timestamp::from_secs(1_000_000);
        for _ in 0..100 {
            let error = shelf.fetch(URL, Reach::Public, now).await.unwrap_err();
            assert!(error.contains("nobody there"), "{error}");
        }
        let mut refused = 0;
        for number in 0..FETCHES_PER_WINDOW {
            let url = format!("https://app.example/{number}.json");
            let error = shelf.fetch(&url, Reach::Public, now).await.unwrap_err();
            refused += u32::from(error.contains("Too many clients"));
        }
        assert_eq!(refused, 1, "a hundred times the same one was one");
        now = now.after(FETCH_WINDOW);
        let again = shelf.fetch(URL, Reach::Public, now).await.unwrap_err();
        assert!(again.contains("nobody there"));
    }
}
