//! Who is signed in, and what lies before them.
//!
//! A sign-in is for one request of one client and ends with its answer. The browser holds a cookie, and
//! the form a ticket that is good for one step; neither is worth anything without the other. That
//! matters over plain HTTP: cookies know no ports there, so that whatever listens on this machine,
//! where a client's answers may well go, could be sent the cookie. What is decided is kept here, not in
//! the form, so that nothing can be put into it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use remit_engine::consent::secret;
use remit_engine::open::Proposal;
use remit_model::{Digest, Entropy, Timestamp};

use crate::ask::Ask;
use crate::choice::Choice;

/// How long somebody has from the sign-in to the answer.
pub(crate) const SESSION: Duration = Duration::from_mins(10);
/// How many can be signed in (R13); the first of them gives way.
const MAX_SESSIONS: usize = 64;

/// That of who is signed in.
pub(crate) const SIGNED_IN: Cookie = Cookie { name: "remit_consent", same_site: "Strict" };

/// A cookie of ours.
pub(crate) struct Cookie {
    /// What it is called over plain HTTP.
    pub(crate) name: &'static str,
    /// Who may send a browser here with it.
    pub(crate) same_site: &'static str,
}

/// The sessions, by the digest of what the browser holds.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<BTreeMap<Digest, Session>>);

#[derive(Debug)]
struct Session {
    ends: Timestamp,
    ticket: Digest,
    pending: Pending,
}

/// What lies before a person.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    /// Who.
    pub(crate) person: String,
    /// What the client asks for.
    pub(crate) ask: Ask,
    /// What the person said last.
    pub(crate) draft: Option<Draft>,
    /// What was shown and can be allowed; `None` while it is still being said.
    pub(crate) shown: Option<Box<Proposal>>,
}

/// A form as it was filled in.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// The template's name.
    pub(crate) template: String,
    /// The fields.
    pub(crate) choice: Choice,
}

/// Somebody's turn: it was taken with a ticket, and goes on with another or ends.
#[derive(Debug)]
pub(crate) struct Turn {
    session: Digest,
    ends: Timestamp,
}

impl Turn {
    /// That of somebody who just signed in, and what the browser is to hold.
    pub(crate) fn begin(now: Timestamp, entropy: &dyn Entropy) -> (Self, String) {
        let cookie = secret(entropy);
        (Self { session: of(&cookie), ends: now.after(SESSION) }, cookie)
    }
}

impl Sessions {
    /// Puts something before a person: the ticket for it.
    pub(crate) fn put(&self, turn: &Turn, pending: Pending, entropy: &dyn Entropy) -> String {
        let ticket = secret(entropy);
        let mut sessions = self.lock();
        while sessions.len() >= MAX_SESSIONS {
            let first = sessions.iter().min_by_key(|(_, session)| session.ends).map(|(of, _)| *of);
            let Some(first) = first else { break };
            sessions.remove(&first);
        }
        let session = Session { ends: turn.ends, ticket: of(&ticket), pending };
        sessions.insert(turn.session, session);
        ticket
    }

    /// Whether something lies before whoever sent a request with these headers.
    pub(crate) fn knows(&self, (headers, secure): (&HeaderMap, bool), now: Timestamp) -> bool {
        let session = cookie(headers, &SIGNED_IN, secure).map(of);
        session
            .is_some_and(|session| self.lock().get(&session).is_some_and(|found| now < found.ends))
    }

    /// Takes what lies before whoever sent a request with these headers, which is gone then; `None` if
    /// the ticket is not the newest of that browser's, or the time is over.
    pub(crate) fn take(
        &self,
        (headers, secure): (&HeaderMap, bool),
        ticket: &str,
        now: Timestamp,
    ) -> Option<(Turn, Pending)> {
        let session = of(cookie(headers, &SIGNED_IN, secure)?);
        let mut sessions = self.lock();
        sessions.retain(|_, session| now < session.ends);
        sessions.get(&session).filter(|found| found.ticket == of(ticket))?;
        let Session { ends, pending, .. } = sessions.remove(&session)?;
        Some((Turn { session, ends }, pending))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Digest, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cookie {
    /// Its name. Over TLS, no other host and nothing on the way can set one of that name.
    fn name(&self, secure: bool) -> String {
        format!("{}{}", if secure { "__Host-" } else { "" }, self.name)
    }
}

/// The header that makes a browser hold `token`. Plain HTTP is served on loopback alone, where browsers
/// refuse `Secure`, and with it the prefix.
pub(crate) fn set_cookie(cookie: &Cookie, token: &str, secure: bool) -> Option<HeaderValue> {
    let (name, site, seconds) = (cookie.name(secure), cookie.same_site, SESSION.as_secs());
    let rest = if secure { "Path=/; Secure" } else { "Path=/oauth" };
    let text = format!("{name}={token}; Max-Age={seconds}; HttpOnly; SameSite={site}; {rest}");
    HeaderValue::from_str(&text).ok()
}

/// The header that makes a browser forget it.
pub(crate) fn end_cookie(cookie: &Cookie, secure: bool) -> Option<HeaderValue> {
    let rest = if secure { "Path=/; Secure" } else { "Path=/oauth" };
    HeaderValue::from_str(&format!("{}=; Max-Age=0; {rest}", cookie.name(secure))).ok()
}

/// The value of the one cookie of this name; of two, none, because one of them is not ours.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, cookie: &Cookie, secure: bool) -> Option<&'a str> {
    let name = cookie.name(secure);
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs =
        lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut named = pairs.filter(|(other, _)| *other == name).map(|(_, value)| value);
    let value = named.next();
    value.filter(|_| named.next().is_none())
}

fn of(token: &str) -> Digest {
    Digest::of(token.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_cookies_of_the_name_are_none() {
        let headers = |lines: &[&str]| {
            lines.iter().map(|line| (COOKIE, line.parse().unwrap())).collect::<HeaderMap>()
        };
        for (lines, found) in [
            (&["remit_consent=a"][..], Some("a")),
            (&["x=y; remit_consent=a; z=remit_consent"], Some("a")),
            (&["remit_consent=a; remit_consent=b"], None),
            (&["remit_consent=a", "remit_consent=a"], None),
            (&["__Host-remit_consent=a"], None),
            (&[], None),
        ] {
            assert_eq!(cookie(&headers(lines), &SIGNED_IN, false), found, "{lines:?}");
        }
    }

    #[test]
    fn over_tls_the_cookie_is_for_this_host_alone() {
        let cookie = set_cookie(&SIGNED_IN, "t", true).unwrap();
        let cookie = cookie.to_str().unwrap();
        assert!(
            cookie.starts_with("__Host-remit_consent=t; ") && cookie.ends_with("Path=/; Secure")
        );
        assert!(!cookie.contains("Domain"));
    }
}
