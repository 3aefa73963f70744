//! Clients with keys of their own: what a person allowed one of them is had by nobody who cannot sign.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::browser::{Browser, ask, code, redeem, token};
use super::{error, read, stand, tasks};
use crate::grants::{Holder, JWT_BEARER, now, post};
use crate::peers::{Changing, Client, Guided};
use crate::stand::{Plan, Stand};
use crate::wire::{Answer, metric};

/// A Remit at which `safe` and `vault`, clients of one agent, have keys, and that agent one, too.
struct Desk {
    stand: Stand,
    notes: Changing,
    issuer: String,
    safe: Holder,
    vault: Holder,
    worker: Holder,
    /// Where the keys of `worker` are.
    _keys: TempDir,
}

impl Desk {
    async fn open(plan: Plan) -> Self {
        let [safe, vault, worker] = [(); 3].map(|()| Holder::new());
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("worker.jwks");
        std::fs::write(&keys, json!({ "keys": [worker.jwk()] }).to_string()).unwrap();
        let table = |id: &str, holder: &Holder| {
            let jwk = holder.jwk();
            format!(
                "[[client]]\nid = \"{id}\"\nredirect_uris = [\"http://127.0.0.1/callback\"]\n\
                 agent = \"worker\"\njwks = {{ keys = [{{ kty = \"EC\", crv = \"P-256\", x = {}, y = {} \
                 }}] }}\n",
                jwk["x"], jwk["y"]
            )
        };
        let tables = [table("safe", &safe), table("vault", &vault)].concat();
        let (stand, notes) = stand(plan.agent_keys(&keys).with(&tables)).await;
        let issuer = format!("http://{}", stand.address());
        Self { stand, notes, issuer, safe, vault, worker, _keys: folder }
    }

    fn assertion(&self) -> String {
        self.safe.assertion(("safe", &self.issuer), &json!({}))
    }

    /// A person allows `safe` what it asks for: the code.
    async fn code(&self) -> String {
        code(&self.stand, &ask(&[("client_id", "safe")])).await
    }

    /// Comes for a code with an assertion; `client_id` need not be there then.
    async fn redeem(&self, code: &str, assertion: &str, more: &[(&str, &str)]) -> Answer {
        let shown = [
            ("client_id", ""),
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", assertion),
        ];
        redeem(&self.stand, code, &[&shown, more].concat(), None).await
    }

    async fn refresh(&self, granted: &Value, more: &[(&str, &str)]) -> Answer {
        let refresh = granted["refresh_token"].as_str().unwrap();
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        token(&self.stand, &[&fields, more].concat(), None).await
    }

    /// Shows a token to the endpoint at `path`, as this client.
    async fn show(&self, path: &str, (who, holder): (&str, &Holder), token: &Value) -> Answer {
        let assertion = holder.assertion((who, &self.issuer), &json!({}));
        let more = [("token", token.as_str().unwrap())];
        post((self.stand.address(), path), (JWT_BEARER, &assertion), None, &more).await
    }

    async fn look(&self, client: (&str, &Holder), token: &Value) -> Value {
        read(&self.show("/oauth/introspect", client, token).await)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_a_key_gets_its_grants_looks_at_them_and_gives_them_back() {
    let desk = Desk::open(Plan::new()).await;
    let asks = Browser::sign_in(&desk.stand, &ask(&[("client_id", "safe")])).await;
    let page = &asks.page;
    assert!(page.contains("only to whoever has a key of the application"), "{page}");
    assert!(!page.contains("any program here could"), "{page}");

    let granted = read(&desk.redeem(&desk.code().await, &desk.assertion(), &[]).await);
    let more = [("client_assertion_type", JWT_BEARER), ("client_assertion", &desk.assertion())];
    let further = read(&desk.refresh(&granted, &more).await);
    let (task, token) = (&granted["authorization_details"][0]["task"], &further["access_token"]);
    assert_eq!(further["authorization_details"][0]["task"], *task, "{further}");
    let looked = desk.look(("safe", &desk.safe), token).await;
    assert_eq!((&looked["active"], &looked["task"]), (&json!(true), task), "{looked}");
    let nothing = json!({ "active": false });
    assert_eq!(desk.look(("vault", &desk.vault), token).await, nothing, "the same agent's");

    let revoke = async |client| desk.show("/oauth/revoke", client, token).await;
    assert_eq!(error(&revoke(("vault", &desk.vault)).await), "unauthorized_client");
    let back = revoke(("safe", &desk.safe)).await;
    assert_eq!(back.status, 200, "{}", back.body);
    assert_eq!(desk.look(("safe", &desk.safe), token).await, nothing);
    let shown = desk.stand.ask(&["task", "show", task.as_str().unwrap()]).await;
    assert_eq!(shown["state"], "closed", "{shown}");
    crate::proof::log_is_good(&desk.stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_with_a_key_was_allowed_is_for_nobody_who_cannot_sign() {
    let desk = Desk::open(Plan::new()).await;
    let of = |holder: &Holder, name: &str, beside: Value| {
        holder.assertion((name, &desk.issuer), &beside)
    };
    let none = |claims: &Value| {
        let signed = desk.safe.sign(&json!({"typ": "JWT", "alg": "none"}), claims);
        format!("{}.", signed.rsplit_once('.').unwrap().0)
    };
    let claims = json!({
        "iss": "safe", "sub": "safe", "aud": desk.issuer, "jti": "x", "iat": now(), "exp": now() + 60,
    });
    let token_endpoint = format!("{}/oauth/token", desk.issuer);
    let code = desk.code().await;
    // Who does not even prove to be a client does not touch the code.
    for (about, assertion, why) in [
        ("somebody else's key", of(&Holder::new(), "safe", json!({})), "signature does not fit"),
        ("another client's key", of(&desk.vault, "safe", json!({})), "signature does not fit"),
        ("no signature", none(&claims), "whose `iss` is the client's id"),
        (
            "for the endpoint",
            of(&desk.safe, "safe", json!({"aud": token_endpoint})),
            "`aud` is not",
        ),
        ("for two", of(&desk.safe, "safe", json!({"aud": [desk.issuer, "x"]})), "`aud` is not"),
        ("of the past", of(&desk.safe, "safe", json!({"exp": now() - 60})), "ran out"),
        ("about another", of(&desk.safe, "safe", json!({"sub": "vault"})), "are not the same"),
        ("the agent's own", of(&desk.worker, "worker", json!({})), "No client worker"),
        ("of a public client", of(&desk.safe, "desk", json!({})), "expected a public client"),
        ("no assertion at all", "safe".to_owned(), "whose `iss` is the client's id"),
    ] {
        let refused = desk.redeem(&code, &assertion, &[]).await;
        assert_eq!(error(&refused), "invalid_client", "{about}: {}", refused.body);
        assert!(refused.body.contains(why), "{about}: {}", refused.body);
    }
    let both = desk.redeem(&code, &desk.assertion(), &[("client_id", "desk")]).await;
    assert_eq!(error(&both), "invalid_client", "{}", both.body);
    let once = desk.assertion();
    let granted = read(&desk.redeem(&code, &once, &[("client_id", "safe")]).await);

    // Who is another client, or shows what was used, gets nothing for what it brings.
    let replayed = desk.redeem(&desk.code().await, &once, &[]).await;
    assert!(replayed.body.contains("the assertion was used before"), "{}", replayed.body);
    let unproved = redeem(&desk.stand, &desk.code().await, &[("client_id", "safe")], None).await;
    assert_eq!(error(&unproved), "invalid_client", "{}", unproved.body);
    assert!(unproved.body.contains("a client with keys of its own"), "{}", unproved.body);
    let others = of(&desk.vault, "vault", json!({}));
    let stolen = desk.redeem(&desk.code().await, &others, &[]).await;
    assert_eq!(error(&stolen), "invalid_grant", "{}", stolen.body);
    for more in [&[("client_id", "safe")][..], &[("client_id", "desk")]] {
        let refused = desk.refresh(&granted, more).await;
        assert!(refused.body.contains("given to a"), "{more:?}: {}", refused.body);
    }
    let own = [("grant_type", "client_credentials")];
    let at = (desk.stand.address(), "/oauth/token");
    let as_agent = post(at, (JWT_BEARER, &desk.assertion()), None, &own).await;
    assert_eq!(error(&as_agent), "invalid_client", "it is no agent: {}", as_agent.body);
    assert_eq!(tasks(&desk.stand).await.len(), 1);
    assert_eq!(metric(&desk.stand, "remit_requests_unauthenticated_total").await, 17);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_key_left_the_configuration_goes_on_with_nothing() {
    let desk = Desk::open(Plan::new()).await;
    let granted = read(&desk.redeem(&desk.code().await, &desk.assertion(), &[]).await);
    let config = std::fs::read_to_string(desk.stand.config()).unwrap();
    let (old, new) = (desk.safe.jwk(), Holder::new().jwk());
    let replaced = config
        .replace(&old["x"].to_string(), &new["x"].to_string())
        .replace(&old["y"].to_string(), &new["y"].to_string());
    std::fs::write(desk.stand.config(), replaced).unwrap();
    desk.stand.logged("are in force").await;
    let more = [("client_assertion_type", JWT_BEARER), ("client_assertion", &desk.assertion())];
    let refused = desk.refresh(&granted, &more).await;
    assert_eq!(error(&refused), "invalid_client", "{}", refused.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sdk_client_signs_for_what_the_person_allowed_it_and_goes_on() {
    // Grants that last for two seconds make it use its refresh token.
    let desk = Desk::open(Plan::new().limits("grant = \"2s\"")).await;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("safe.pem");
    std::fs::write(&key, desk.safe.pem()).unwrap();
    let url = format!("{}/mcp", desk.issuer);
    let passphrase = desk.stand.passphrase_file();
    for bound in [true, false] {
        let who =
            Guided { url: &url, client: "safe", passphrase: &passphrase, bound, key: Some(&key) };
        let mut talk = Client::TypeScriptStateless.connect_guided(&who).await;
        for _ in 0..2 {
            assert_eq!(talk.text("notes__read_note", &json!({"title": "a"})).await, "a note");
            tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
        }
        talk.end().await;
    }
    assert_eq!(desk.notes.reached().len(), 4);
    assert_eq!(tasks(&desk.stand).await.len(), 2, "each went on with its task");
}
