#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up has nothing to say")]
//! What it costs to make a grant, to believe one, and to believe the proof that goes with it, each beside the one signature operation
//! that cannot be saved.

use std::hint::black_box;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    ParsedPublicKey,
};
use criterion::{BatchSize, Criterion};
use remit_jose::{PublicKey, Thumbprint};
use remit_model::{Timestamp, Value};
use remit_testkit::{SeededEntropy, samples};
use remit_token::{Minter, Presented, Proofs, Realm, Terms};
use serde_json::json;

const ISSUER: &str = "http://127.0.0.1:7070";
const URL: &str = "http://127.0.0.1:7070/mcp";

/// The holder of a key.
struct Holder(EcdsaKeyPair);

impl Holder {
    fn jwk(&self) -> serde_json::Value {
        let point = self.0.public_key().as_ref();
        let encode = |part: &[u8]| data_encoding::BASE64URL_NOPAD.encode(part);
        let (x, y) = point.split_first().unwrap().1.split_at(32);
        json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) })
    }

    fn thumbprint(&self) -> Thumbprint {
        let jwk = Value::parse(&self.jwk().to_string()).unwrap();
        PublicKey::from_jwk(&jwk).unwrap().thumbprint()
    }

    fn proof(&self, (grant, nonce): (&str, &str), id: u64, now: Timestamp) -> String {
        let encode = |part: &[u8]| data_encoding::BASE64URL_NOPAD.encode(part);
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk() });
        let claims = json!({
            "jti": id.to_string(), "htm": "POST", "htu": URL, "iat": now.as_secs(), "nonce": nonce,
            "ath": encode(&remit_model::Digest::of(grant.as_bytes()).0),
        });
        let message = [header, claims].map(|part| encode(part.to_string().as_bytes())).join(".");
        let signature = self.0.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", encode(signature.as_ref()))
    }
}

fn shown<'a>(token: &'a str, proof: Option<&'a str>) -> Presented<'a> {
    Presented { token, proof, method: "POST", url: URL }
}

/// One signature and one verification over as many bytes as a grant has.
fn bare(criterion: &mut Criterion, holder: &Holder) {
    let (message, random) = ([7; 500], SystemRandom::new());
    let signature = holder.0.sign(&random, &message).unwrap();
    let public = holder.0.public_key().as_ref();
    let public = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public).unwrap();
    let mut group = criterion.benchmark_group("bare");
    group.bench_function("signature", |b| b.iter(|| holder.0.sign(&random, black_box(&message))));
    group.bench_function("verification", |b| {
        b.iter(|| public.verify_sig(black_box(&message), signature.as_ref()));
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let holder = Holder(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap());
    bare(&mut criterion, &holder);

    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    let realm = Realm::new(ISSUER, URL, "bench").unwrap();
    let minter = Minter::new(key.unwrap().as_ref(), realm).unwrap();
    let charter = samples::charter(1);
    let (now, entropy) = (charter.opened, SeededEntropy::new(1));
    let bearer = Terms { lifetime: Duration::from_mins(5), ..Terms::default() };
    let bound = Terms { key: Some(holder.thumbprint()), ..bearer.clone() };
    let mint = |terms| minter.mint(&charter, terms, now, &entropy).unwrap().0;
    let (unbound, token) = (mint(&bearer), mint(&bound));
    let (verifier, proofs) = (minter.verifier(), Proofs::new(&entropy));
    let nonce = proofs.nonce(now);

    let mut group = criterion.benchmark_group("grant");
    group.bench_function("minted", |b| b.iter(|| mint(black_box(&bound))));
    group.bench_function("verified", |b| b.iter(|| verifier.verify(black_box(&token), now)));
    group.finish();

    let mut group = criterion.benchmark_group("caller");
    verifier.authenticate(&shown(&unbound, None), &proofs, now).unwrap();
    group.bench_function("bearer, known", |b| {
        b.iter(|| verifier.authenticate(black_box(&shown(&unbound, None)), &proofs, now).unwrap());
    });
    let mut id = 0;
    group.bench_function("bound, known, with its proof", |b| {
        b.iter_batched(
            || {
                id += 1;
                holder.proof((&token, &nonce), id, now)
            },
            |proof| verifier.authenticate(&shown(&token, Some(&proof)), &proofs, now).unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.finish();
    criterion.final_summary();
}
