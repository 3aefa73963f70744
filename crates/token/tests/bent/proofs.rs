//! Requests with a grant and a proof, each bent in one way: the table is `proofs.toml`.

use std::collections::BTreeMap;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use remit_model::agent::AttestationMethod;
use remit_model::task::Charter;
use remit_model::{
    Attestation, Digest, Label, Possession, Remit, ServerName, Timestamp, ToolScope,
};
use remit_token::{
    Binding, GrantKey, GrantKeys, Minter, Presented, ProofError, Proofs, Realm, Terms, TokenError,
    Uncertified, Verifier,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::key::{Bytes, Key, p256_pkcs8, thumbprint, token};

/// In the middle of a minute, so that the nonce of a moment later is the same.
pub(crate) const NOW: Timestamp = Timestamp(1_795_471_210_123);
const URL: &str = "https://remit.example/mcp";

#[derive(Deserialize)]
struct Table {
    row: Vec<Row>,
}

#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Row {
    about: String,
    grant: String,
    proof: String,
    header: BTreeMap<String, Value>,
    claims: BTreeMap<String, Value>,
    without: Vec<String>,
    first: String,
    fill: usize,
    signed_by: String,
    brings: String,
    nonce: String,
    method: String,
    url: String,
    made: i64,
    later: u64,
    twice: bool,
    error: String,
    code: String,
}

impl Default for Row {
    fn default() -> Self {
        let text = str::to_owned;
        Self {
            about: String::new(),
            grant: text("bound"),
            proof: text("fresh"),
            header: BTreeMap::new(),
            claims: BTreeMap::new(),
            without: Vec::new(),
            first: String::new(),
            fill: 0,
            signed_by: text("holder"),
            brings: text("holder"),
            nonce: text("old"),
            method: text("POST"),
            url: text(URL),
            made: 0,
            later: 0,
            twice: false,
            error: String::new(),
            code: String::new(),
        }
    }
}

pub(crate) struct Bench {
    minter: Minter,
    pub(crate) verifier: Verifier,
    pub(crate) proofs: Proofs,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let realm = Realm::new("https://remit.example", URL, "example.org").unwrap();
        let key = GrantKey::open(1, NOW, &p256_pkcs8(7)).unwrap();
        let minter = Minter::new(GrantKeys::from_iter([key]), realm);
        Self { verifier: minter.verifier(), minter, proofs: Proofs::new(&Bytes(9)) }
    }

    pub(crate) fn grant(&self, which: &str) -> String {
        let (binding, server) = match which {
            "bound" => (Binding::Key(thumbprint("holder")), None),
            "bound to the Ed25519 key" => (Binding::Key(thumbprint("holder's Ed25519 key")), None),
            "for mail" => (Binding::Key(thumbprint("holder")), Some("mail".parse().unwrap())),
            "bearer" => (Binding::Nothing, None),
            other => panic!("what grant is `{other}`?"),
        };
        self.mint(binding, server)
    }

    pub(crate) fn mint(&self, binding: Binding, server: Option<ServerName>) -> String {
        let lifetime = Duration::from_mins(5);
        let terms = Terms { lifetime, binding, server };
        let charter = Charter {
            uid: None,
            consent: None,
            on_behalf: None,
            id: "tsk_00000000000000000000000000".parse().unwrap(),
            agent: "bot".parse().unwrap(),
            template: "t".into(),
            purpose: "p".into(),
            purpose_given: true,
            declares: false,
            plan: ToolScope::default(),
            known: Vec::new(),
            foreseen: Vec::new(),
            remit: Remit { deadline: NOW.after(Duration::from_hours(1)), ..Remit::default() },
            attestation: Attestation::own(AttestationMethod::UnixPeer, NOW),
            lineage: Vec::new(),
            workers: std::collections::BTreeSet::new(),
            unsettled: std::collections::BTreeSet::new(),
            inherited: Label::default(),
            opened: NOW,
        };
        self.minter.mint(&charter, &terms, NOW, &Bytes(1)).unwrap().0
    }

    fn proof(&self, row: &Row, grant: &str, now: Timestamp) -> String {
        let (signer, brought) = (Key::of(&row.signed_by), Key::of(&row.brings));
        let given = if row.nonce == "new" { now } else { NOW };
        let mut header =
            json!({"typ": "dpop+jwt", "alg": brought.algorithm(), "jwk": brought.jwk(&row.brings)});
        let mut claims = json!({
            "jti": "one", "htm": "POST", "htu": URL,
            "iat": NOW.as_secs().checked_add_signed(row.made).unwrap(),
            "ath": BASE64URL_NOPAD.encode(&Digest::of(grant.as_bytes()).0),
            "nonce": self.proofs.nonce(given),
        });
        for (part, bent) in [(&mut header, &row.header), (&mut claims, &row.claims)] {
            let members = part.as_object_mut().unwrap();
            members.retain(|name, _| !row.without.contains(name));
            members.extend(bent.clone());
        }
        if row.fill > 0 {
            claims["fill"] = json!("x".repeat(row.fill));
        }
        token(&header, (&claims, &row.first), &signer)
    }
}

/// A request that shows these, on a connection without a certificate.
pub(crate) fn shown<'a>(token: &'a str, proof: Option<&'a str>) -> Presented<'a> {
    let certificate = Err(Uncertified::None);
    Presented { token, proof, certificate, method: "POST", url: URL }
}

/// What `row` is told, and the error that is expected.
fn told(row: &Row) -> (Result<Possession, TokenError>, String) {
    let bench = Bench::new();
    let now = NOW.after(Duration::from_secs(row.later));
    let which = if row.grant == "the proof" { "bound" } else { &row.grant };
    let mut grant = bench.grant(which);
    let mut proof = bench.proof(row, &grant, now);
    if row.proof == "the grant" {
        proof.clone_from(&grant);
    }
    if row.grant == "the proof" {
        grant.clone_from(&proof);
    }
    let made = NOW.as_secs().checked_add_signed(row.made).unwrap();
    let expected = row
        .error
        .replace("<<made>>", &Timestamp::from_secs(made).to_string())
        .replace("<<grant ends>>", &Timestamp::from_secs(NOW.as_secs() + 300).to_string())
        .replace("<<size>>", &proof.len().to_string());
    let proof = (row.proof != "none").then_some(proof.as_str());
    let shown = Presented { method: &row.method, url: &row.url, ..shown(&grant, proof) };
    let authenticate = || bench.verifier.authenticate(&shown, &bench.proofs, now);
    if row.twice {
        authenticate().unwrap();
    }
    let before = bench.proofs.remembered();
    let told = authenticate();
    if let Err(why) = &told {
        assert_eq!(bench.proofs.remembered(), before, "{}: a refusal takes no room", row.about);
        for part in grant.split('.').filter(|part| part.len() > 8) {
            assert!(!why.to_string().contains(part), "{}: repeats the grant", row.about);
        }
    }
    (told.map(|holder| holder.possession), expected)
}

#[test]
fn each_is_told_what_is_wrong() {
    let table: Table = toml::from_str(include_str!("proofs.toml")).unwrap();
    assert!(table.row.len() > 40);
    for row in table.row {
        let (told, expected) = told(&row);
        match told {
            Ok(possession) => {
                assert_eq!(expected, "", "{} was believed", row.about);
                let shown = row.proof == "none";
                let meant = if shown { Possession::Bearer } else { Possession::Dpop };
                assert_eq!(possession, meant, "{}", row.about);
            }
            Err(why) => {
                assert_eq!(why.to_string(), expected, "{}", row.about);
                let code = match (row.code.as_str(), &why) {
                    ("", TokenError::Proof(_)) => "invalid_dpop_proof",
                    ("", _) => "invalid_token",
                    (code, _) => code,
                };
                assert_eq!(why.code(), code, "{}", row.about);
            }
        }
    }
}

#[test]
fn a_new_nonce_is_given_out_with_the_first_proof_that_holds_the_old_one() {
    let bench = Bench::new();
    let grant = bench.grant("bound");
    let row = Row { nonce: "old".to_owned(), ..Row::default() };
    let nonce = |proof: &str, now| {
        bench.verifier.authenticate(&shown(&grant, Some(proof)), &bench.proofs, now).unwrap().nonce
    };
    assert_eq!(nonce(&bench.proof(&row, &grant, NOW), NOW), None);
    let later = NOW.after(Duration::from_mins(1));
    let row = Row { claims: [("jti".to_owned(), json!("two"))].into(), ..row };
    assert_eq!(nonce(&bench.proof(&row, &grant, NOW), later), Some(bench.proofs.nonce(later)));
}

#[test]
fn a_proof_of_another_process_is_not_believed_after_a_restart() {
    let bench = Bench::new();
    let grant = bench.grant("bound");
    let proof = bench.proof(&Row::default(), &grant, NOW);
    let shown = shown(&grant, Some(&proof));
    let restarted = Proofs::new(&Bytes(10));
    let error = bench.verifier.authenticate(&shown, &restarted, NOW).unwrap_err();
    assert_eq!(error.code(), "use_dpop_nonce", "{error}");
}

#[test]
fn where_there_is_no_room_for_a_further_proof_it_is_refused_and_an_old_one_still_counts() {
    let bench = Bench { proofs: Proofs::with_room(&Bytes(9), 8), ..Bench::new() };
    let grant = bench.grant("bound");
    let authenticate = |id: &str| {
        let claims = [("jti".to_owned(), json!(id))].into();
        let proof = bench.proof(&Row { claims, ..Row::default() }, &grant, NOW);
        let shown = shown(&grant, Some(&proof));
        bench.verifier.authenticate(&shown, &bench.proofs, NOW).map(|holder| holder.possession)
    };
    assert_eq!(authenticate("one"), Ok(Possession::Dpop));
    assert_eq!(authenticate("two"), Ok(Possession::Dpop));
    // A quarter is one key's part.
    assert_eq!(authenticate("three"), Err(TokenError::Proof(ProofError::Full)));
    assert_eq!(authenticate("one"), Err(TokenError::Proof(ProofError::Replayed)));
    assert_eq!(bench.proofs.remembered(), 2);
}
