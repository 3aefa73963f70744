//! Tokens that prove nobody: each is told what is wrong with it, and opens nothing.

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::issuer::Issuer;
use super::{Desk, TYPE};
use crate::grants::{Holder, now};
use crate::stand::Plan;
use crate::wire::metric;

#[derive(Deserialize)]
struct File {
    row: Vec<Row>,
}

/// A token that the issuer's key signs, and what is wrong with it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    about: String,
    #[serde(default)]
    header: Map<String, Value>,
    #[serde(default)]
    claims: Map<String, Value>,
    why: String,
}

/// A text of a row as what it stands for.
fn fill(value: &Value, names: &[(&str, &str)]) -> Value {
    match value {
        Value::String(text) if text == "-" => Value::Null,
        Value::String(text) => match text.strip_prefix("now ") {
            Some(seconds) => json!(now().saturating_add_signed(seconds.parse().unwrap())),
            None => {
                json!(names.iter().fold(text.clone(), |text, (from, to)| text.replace(from, to)))
            }
        },
        Value::Array(values) => values.iter().map(|value| fill(value, names)).collect(),
        other => other.clone(),
    }
}

fn filled(members: &Map<String, Value>, names: &[(&str, &str)]) -> Value {
    members.iter().map(|(name, value)| (name.clone(), fill(value, names))).collect()
}

/// Two issuers: `ci`, which vouches for workloads, and one that vouches for people.
async fn desk() -> (Desk, Issuer) {
    let (issuer, second) = (Issuer::start(&[]).await, Issuer::start(&[]).await);
    let url = &second.url;
    let table =
        format!("[[issuer]]\nname = \"second\"\nurl = \"{url}\"\nvouches_for = [\"people\"]\n\n");
    let lines = "algorithms = [\"ES256\", \"RS256\"]\nlifetime = \"5m\"";
    let claims = r#"{ sub = "somebody" }"#;
    (Desk::with(Plan::new().with(&table), issuer, lines, claims).await, second)
}

async fn refused(desk: &Desk, about: &str, token: &str, why: &str) {
    let refused = desk.show(token).await;
    assert_eq!(refused.status, 400, "{about}: {}", refused.body);
    assert!(refused.body.contains("invalid_grant"), "{about}: {}", refused.body);
    assert!(refused.body.contains(why), "{about}: {}", refused.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_issuer_did_not_say_to_us_proves_nobody() {
    let (desk, second) = desk().await;
    let loud = desk.issuer.url.replacen("http", "HTTP", 1);
    let names = [
        ("{ours}", desk.ours.as_str()),
        ("{second}", &second.url),
        ("{loud}", &loud),
        ("{url}", &desk.issuer.url),
    ];
    let File { row: rows } = toml::from_str(include_str!("attacks.toml")).unwrap();
    assert!(rows.len() > 30);
    for row in &rows {
        let token = desk.forge(&filled(&row.header, &names), &filled(&row.claims, &names));
        refused(&desk, &row.about, &token, &row.why).await;
    }
    let counted = metric(&desk.stand, "remit_requests_unauthenticated_total").await;
    assert_eq!(counted, rows.len() as u64);
    assert_eq!(desk.stand.ask(&["task", "list"]).await, json!([]), "nothing was opened");
    assert_eq!(desk.issuer.asked().await, 1, "whatever they named");
}

/// Signed with the public key as a shared secret, in the forms that libraries were fooled with.
fn confused(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let message = format!("{}.{}", encode(header), encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
}

fn encode(part: &Value) -> String {
    BASE64URL_NOPAD.encode(part.to_string().as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_issuers_key_did_not_sign_proves_nobody() {
    let (desk, second) = desk().await;
    let claims = desk.claims(&json!({}));
    let header = json!({"typ": "JWT", "alg": "ES256", "kid": "signer"});
    let good = desk.signer.sign(&header, &claims);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let other = encode(&desk.claims(&json!({"admin": true})));
    let changed = format!("{}.{other}.{signature}", head.split('.').next().unwrap());
    let twice = claims.to_string().replacen('{', "{\"sub\":\"boss\",", 1);
    let twice = desk.signer.sign_text(&header.to_string(), &twice);
    let stranger = Holder::new();
    let embedded = json!({"typ": "JWT", "alg": "ES256", "jwk": stranger.jwk()});
    let ps256 = json!({"sign": claims, "header": {"alg": "PS256"}});
    let said = desk.issuer.control(ps256).await;
    let rsa = said["public"][0].clone();
    let modulus = BASE64URL_NOPAD.decode(rsa["n"].as_str().unwrap().as_bytes()).unwrap();
    let hs256 = json!({"typ": "JWT", "alg": "HS256", "kid": rsa["kid"]});
    let unsigned = format!("{}.{}.", encode(&json!({"alg": "none"})), encode(&claims));
    let grant = desk.stand.open("reading").await.token;
    let namesake = second.sign(&claims).await;
    let huge = desk.forge(&json!({}), &json!({"pad": "x".repeat(8 * 1024)}));
    for (about, token, why) in [
        ("unsigned", unsigned.as_str(), "`alg` is not"),
        ("the modulus as secret", &confused(&hs256, &claims, &modulus), "`alg` is not"),
        (
            "the key as secret",
            &confused(&hs256, &claims, rsa.to_string().as_bytes()),
            "`alg` is not",
        ),
        ("not as it signs", said["token"].as_str().unwrap(), "none of the `algorithms`"),
        ("another's key of that name", &stranger.sign(&header, &claims), "signature does not fit"),
        ("another issuer's key of that name", &namesake, "signature does not fit"),
        ("its own key", &stranger.sign(&embedded, &claims), "`jwk`, which brings its own key"),
        ("forged", &format!("{head}.{}", "A".repeat(86)), "signature does not fit"),
        ("changed", &changed, "signature does not fit"),
        ("claims twice", &twice, "without duplicate names"),
        ("huge", &huge, "at most 8192 are read"),
        ("a grant of ours", &grant, "not any other kind of token"),
        ("no token", "nonsense", "three base64url parts"),
    ] {
        refused(&desk, about, token, why).await;
    }
    // It is a grant, and authenticates no client, nor goes with one that fails to prove itself.
    let as_client = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", good.as_str()),
    ];
    assert_eq!(desk.post(&as_client).await.status, 401);
    let secret = [("grant_type", TYPE), ("assertion", good.as_str()), ("client_secret", "x")];
    assert_eq!(desk.post(&secret).await.status, 401);
    let tasks = desk.stand.ask(&["task", "list"]).await;
    assert_eq!(tasks.as_array().unwrap().len(), 1, "nothing was opened: {tasks}");
    // None of that used the good one up.
    assert_eq!(desk.show(&good).await.status, 200);
    assert!(desk.show(&good).await.body.contains("was used before"));
    crate::proof::log_is_good(&desk.stand).await;
}
