//! What a browser sends, by hand, so that a test can send something else.

use serde_json::{Value, json};

use super::CHALLENGE;
use crate::stand::{PASSPHRASE, Stand};
use crate::wire::{Answer, exchange, get};

/// The path and query of a good request of the client `desk`; `change` takes the place of parameters,
/// an empty value leaves one out.
pub(super) fn ask(change: &[(&str, &str)]) -> String {
    let mut parameters = vec![
        ("response_type", "code"),
        ("client_id", "desk"),
        ("redirect_uri", super::CALLBACK),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "a state"),
    ];
    for (name, value) in change {
        parameters.retain(|(other, _)| other != name);
        if !value.is_empty() {
            parameters.push((name, value));
        }
    }
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("/oauth/authorize?{query}")
}

/// A browser of somebody who knows the passphrase.
pub(super) struct Browser {
    address: String,
    /// The cookie that it holds.
    pub(super) cookie: String,
    /// The ticket in the form that it shows.
    pub(super) ticket: String,
    /// The page that it shows.
    pub(super) page: String,
}

impl Browser {
    /// A browser that was not here before.
    pub(super) fn nobody(stand: &Stand) -> Self {
        let address = stand.address().to_owned();
        Self { address, cookie: String::new(), ticket: String::new(), page: String::new() }
    }

    /// Signs in for the request at `path`.
    pub(super) async fn sign_in(stand: &Stand, path: &str) -> Self {
        let mut browser = Self::nobody(stand);
        let shown = browser.send(path, &[("passphrase", PASSPHRASE)]).await;
        assert_eq!(shown.status, 200, "{}", shown.body);
        let cookie = shown.header("set-cookie").split(';').next().unwrap().to_owned();
        assert!(shown.head.contains("httponly; samesite=strict"), "{}", shown.head);
        browser.cookie = cookie;
        browser.show(&shown);
        browser
    }

    fn show(&mut self, answer: &Answer) {
        let after = answer.body.split_once(r#"name="ticket" value=""#).map(|(_, after)| after);
        self.ticket = after.and_then(|text| text.split('"').next()).unwrap_or_default().to_owned();
        self.page.clone_from(&answer.body);
    }

    /// Sends a form as it is.
    pub(super) async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let origin = format!("Origin: http://{}\r\n", self.address);
        self.send_with(path, fields, &origin).await
    }

    /// Sends a form with these headers in the place of `Origin`.
    pub(super) async fn send_with(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &str,
    ) -> Answer {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\n{headers}Cookie: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n",
            self.address, self.cookie
        );
        exchange(&self.address, &head, &form).await
    }

    /// Takes a step with the form that it shows.
    pub(super) async fn step(&mut self, button: &str, fields: &[(&str, &str)]) -> Answer {
        let ticket = self.ticket.clone();
        let answer = self
            .send(
                "/oauth/consent",
                &[&[("ticket", ticket.as_str()), ("do", button)], fields].concat(),
            )
            .await;
        self.show(&answer);
        answer
    }

    /// Says what is to be done, and reads it.
    pub(super) async fn review(&mut self, more: &[(&str, &str)]) -> Answer {
        let mut fields = vec![
            ("template", "reading"),
            ("purpose", "read what was noted"),
            ("tool", "notes/read_note"),
            ("ceiling", "confidential"),
            ("minutes", "30"),
        ];
        for (name, _) in more {
            fields.retain(|(other, _)| other != name);
        }
        self.step("review", &[&fields, more].concat()).await
    }
}

/// The parameters of the address that an answer sends a browser to.
pub(super) fn sent_to(answer: &Answer) -> Value {
    assert_eq!(answer.status, 303, "{}", answer.body);
    let location = answer.header("location");
    let (address, query) = location.split_once('?').expect("an answer has parameters");
    let mut all = json!({ "address": address });
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        assert!(all.get(&*name).is_none(), "{name} stands twice in {location}");
        all[&*name] = json!(value);
    }
    all
}

/// Somebody at the stand allows what `desk` asks for at `path`: the code.
pub(super) async fn code(stand: &Stand, path: &str) -> String {
    let mut browser = Browser::sign_in(stand, path).await;
    let shown = browser.review(&[]).await;
    assert_eq!(shown.status, 200, "{}", shown.body);
    let allowed = sent_to(&browser.step("allow", &[]).await);
    allowed["code"].as_str().unwrap().to_owned()
}

/// Redeems a code; `change` takes the place of parameters, an empty value leaves one out.
pub(super) async fn redeem(
    stand: &Stand,
    code: &str,
    change: &[(&str, &str)],
    proof: Option<&str>,
) -> Answer {
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("client_id", "desk"),
        ("redirect_uri", super::CALLBACK),
        ("code_verifier", super::VERIFIER),
    ];
    for (name, value) in change {
        fields.retain(|(other, _)| other != name);
        if !value.is_empty() {
            fields.push((name, value));
        }
    }
    token(stand, &fields, proof).await
}

/// Sends a form to the token endpoint.
pub(super) async fn token(stand: &Stand, fields: &[(&str, &str)], proof: Option<&str>) -> Answer {
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let proof = proof.map(|proof| format!("DPoP: {proof}\r\n")).unwrap_or_default();
    let address = stand.address();
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: {address}\r\n{proof}\
         Content-Type: application/x-www-form-urlencoded\r\n"
    );
    exchange(address, &head, &form).await
}

/// The nonce that proofs should hold.
pub(super) async fn nonce(stand: &Stand) -> String {
    get(stand.address(), "/mcp").await.header("dpop-nonce").to_owned()
}
