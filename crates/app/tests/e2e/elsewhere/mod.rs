//! Agents and people that others vouch for: an issuer that nobody here wrote the cryptography of
//! (`e2e/servers/issuer.py`), other trust domains, and the JWT-bearer grant.

mod accounts;
mod attacks;
mod clients;
mod federation;
mod fetching;
mod issuer;
mod people;
mod providers;
mod renewed;

use serde_json::{Value, json};

use self::issuer::Issuer;
use crate::grants::{Holder, stand};
use crate::peers::Changing;
use crate::stand::{Plan, Stand};
use crate::wire::{Answer, exchange};

pub(crate) const TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A Remit that believes an issuer, called `ci`.
struct Desk {
    stand: Stand,
    notes: Changing,
    issuer: Issuer,
    /// What Remit calls itself.
    ours: String,
    /// What has a key that the issuer publishes, and so can say anything in its name.
    signer: Holder,
}

impl Desk {
    /// With these further lines of the issuer's table, and by what its claims are the agent `worker`.
    async fn open(lines: &str, claims: &str) -> Self {
        Self::with(Plan::new(), Issuer::start(&[]).await, lines, claims).await
    }

    async fn with(plan: Plan, issuer: Issuer, lines: &str, claims: &str) -> Self {
        let signer = Holder::new();
        let mut key = signer.jwk();
        key["kid"] = json!("signer");
        issuer.control(json!({ "publish": [key] })).await;
        let url = &issuer.url;
        let plan = plan
            .agent(&format!("federated = [{{ issuer = \"ci\", claims = {claims} }}]"))
            .with(&format!("[[issuer]]\nname = \"ci\"\nurl = \"{url}\"\n{lines}\n\n"));
        let (stand, notes) = stand(plan).await;
        let ours = format!("http://{}", stand.address());
        Self { stand, notes, issuer, ours, signer }
    }

    /// A token that the issuer's own key signs, for us and for a minute.
    async fn token(&self, claims: &Value) -> String {
        self.issuer.sign(&self.claims(claims)).await
    }

    /// What a good token claims; `beside` takes the place of others, `null` of none.
    fn claims(&self, beside: &Value) -> Value {
        let now = crate::grants::now();
        let mut claims = json!({
            "iss": self.issuer.url, "sub": "somebody", "aud": self.ours, "jti": self.signer.name(),
            "iat": now, "nbf": now, "exp": now + 60,
        });
        let claims_of = claims.as_object_mut().unwrap();
        claims_of.extend(beside.as_object().unwrap().clone());
        claims_of.retain(|_, value| !value.is_null());
        claims
    }

    /// A token with these members in its header and these claims, signed with the published key.
    fn forge(&self, header: &Value, claims: &Value) -> String {
        let mut whole = json!({"typ": "JWT", "alg": "ES256", "kid": "signer"});
        whole.as_object_mut().unwrap().extend(header.as_object().unwrap().clone());
        whole.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.signer.sign(&whole, &self.claims(claims))
    }

    async fn post(&self, form: &[(&str, &str)]) -> Answer {
        form_to(self.stand.address(), None, form).await
    }

    /// Shows an assertion as a grant.
    async fn show(&self, assertion: &str) -> Answer {
        self.post(&[("grant_type", TYPE), ("assertion", assertion)]).await
    }

    /// Reads a note with a bearer grant.
    async fn call(&self, granted: &Value) -> Answer {
        let params = json!({"name": "notes__read_note", "arguments": {"title": "a"}});
        let token = granted["access_token"].as_str().unwrap();
        let address = self.stand.address();
        crate::wire::Request::new(address, token, "tools/call", params).send(address).await
    }

    /// Only what this condition holds of may be done from now on.
    async fn only(&self, condition: &str) {
        let text = format!(
            "@id(\"only\")\nforbid (principal, action in Remit::Action::\"tools\", resource)\n\
             unless {{ {condition} }};\n"
        );
        std::fs::write(self.stand.state().join("policies/only.cedar"), text).unwrap();
        let check = self.stand.remit(&["policy", "check"]).await;
        assert!(check.ok, "{}", check.said());
        // Applied live, once a second.
        tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    }
}

/// Sends a form to the token endpoint, with a proof if there is one.
async fn form_to(address: &str, proof: Option<&str>, form: &[(&str, &str)]) -> Answer {
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let proof = proof.map(|proof| format!("DPoP: {proof}\r\n")).unwrap_or_default();
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: {address}\r\n{proof}\
         Content-Type: application/x-www-form-urlencoded\r\n"
    );
    exchange(address, &head, &form).await
}

/// What a request was granted.
fn granted(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}
