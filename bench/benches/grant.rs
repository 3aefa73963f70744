#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up has nothing to say")]
//! What it costs to issue an SVID and a grant, to believe a grant, and what each call pays to be believed
//! (bearer, DPoP, mutual TLS), beside the bare signature operations in the same run: what matters is the
//! ratio.

use std::hint::black_box;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    ParsedPublicKey,
};
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput};
use remit_jose::{CertificateThumbprint, PublicKey, Thumbprint};
use remit_model::{Timestamp, Value};
use remit_spiffe::{
    Authority, Generation, SpiffeId, VerifiedX509, agent_id, agent_of, trust_domain,
};
use remit_testkit::{SeededEntropy, samples};
use remit_token::{
    Binding, Certificate, GrantKey, GrantKeys, Holder, Minter, Presented, Proofs, Realm, Terms,
    Uncertified, Verifier,
};
use serde_json::json;

const ISSUER: &str = "http://127.0.0.1:7070";
const URL: &str = "http://127.0.0.1:7070/mcp";

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// The owner of a key.
struct Owner(EcdsaKeyPair);

impl Owner {
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
    let certificate = Err(Uncertified::None);
    Presented { token, proof, certificate, method: "POST", url: URL }
}

/// One signature and one verification over as many bytes as a grant has, and a signature over as many
/// as are signed of a certificate: what nothing below can be cheaper than where it needs one.
fn bare(criterion: &mut Criterion, owner: &Owner) {
    let (message, random) = ([7; 500], SystemRandom::new());
    let signature = owner.0.sign(&random, &message).unwrap();
    let public = owner.0.public_key().as_ref();
    let public = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public).unwrap();
    let mut group = criterion.benchmark_group("bare");
    group.throughput(Throughput::Elements(1));
    group.bench_function("signature", |b| b.iter(|| owner.0.sign(&random, black_box(&message))));
    let certificate = message.first_chunk::<400>().unwrap();
    group.bench_function("signature of a certificate", |b| {
        b.iter(|| owner.0.sign(&random, black_box(certificate)));
    });
    group.bench_function("verification", |b| {
        b.iter(|| public.verify_sig(black_box(&message), signature.as_ref()));
    });
    group.finish();
}

/// An authority for SVIDs, and the agent that they are made for.
fn authority(now: Timestamp, entropy: &SeededEntropy) -> (Authority, SpiffeId) {
    let domain = trust_domain("bench").unwrap();
    let kept = Generation::draw(1, &domain, Duration::from_hours(24), now, entropy).unwrap();
    let generation = Generation::open(1, &kept).unwrap();
    let id = agent_id(&domain, &samples::agent_name("bot")).unwrap();
    (Authority::new(domain, [generation.into()]), id)
}

/// SVIDs issued, of either kind.
fn svids(
    criterion: &mut Criterion,
    (authority, id): (&Authority, &SpiffeId),
    now: Timestamp,
    entropy: &SeededEntropy,
) {
    let (until, audience) = (now.after(Duration::from_mins(10)), ["bank".to_owned()]);
    let mut group = criterion.benchmark_group("svid");
    group.throughput(Throughput::Elements(1));
    group.bench_function("jwt", |b| {
        b.iter(|| authority.jwt((black_box(id), &audience), until, now, entropy).unwrap());
    });
    // With a new key for its holder, which costs as much as a signature again.
    group.bench_function("x509", |b| {
        b.iter(|| authority.x509(black_box(id), until, now, entropy).unwrap());
    });
    group.finish();
}

/// Grants made, and believed for the first time.
fn grants(
    criterion: &mut Criterion,
    mint: &dyn Fn(Binding) -> String,
    verifier: &Verifier,
    now: Timestamp,
) {
    let token = mint(Binding::Nothing);
    let mut group = criterion.benchmark_group("grant");
    group.throughput(Throughput::Elements(1));
    group.bench_function("minted", |b| b.iter(|| mint(black_box(Binding::Nothing))));
    group.bench_function("verified", |b| b.iter(|| verifier.verify(black_box(&token), now)));
    group.finish();
}

/// What each call pays for its caller, whose grant is known.
struct Calls<'a> {
    verifier: &'a Verifier,
    proofs: &'a Proofs,
    now: Timestamp,
}

impl Calls<'_> {
    fn believed(&self, shown: &Presented<'_>) -> Holder {
        self.verifier.authenticate(shown, self.proofs, self.now).unwrap()
    }

    fn bearer(&self, group: &mut Group<'_>, token: &str) {
        group.bench_function("bearer", |b| {
            b.iter(|| self.believed(black_box(&shown(token, None))));
        });
    }

    fn dpop(&self, group: &mut Group<'_>, token: &str, owner: &Owner) {
        let (nonce, mut id) = (self.proofs.nonce(self.now), 0);
        group.bench_function("dpop", |b| {
            b.iter_batched(
                || {
                    id += 1;
                    owner.proof((token, &nonce), id, self.now)
                },
                |proof| self.believed(&shown(token, Some(&proof))),
                BatchSize::SmallInput,
            );
        });
    }

    /// With what is asked of the connection each time.
    fn mtls(
        &self,
        group: &mut Group<'_>,
        token: &str,
        (certificate, authority, svid): (&Certificate, &Authority, &VerifiedX509),
    ) {
        group.bench_function("mtls", |b| {
            b.iter(|| {
                assert!(self.now < svid.expires && authority.vouches_for(svid, self.now));
                let certificate = Ok(black_box(certificate));
                self.believed(&Presented { certificate, ..shown(token, None) })
            });
        });
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let owner = Owner(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap());
    bare(&mut criterion, &owner);

    let charter = samples::charter(1);
    let (now, entropy) = (charter.opened, SeededEntropy::new(1));
    let (authority, id) = authority(now, &entropy);
    svids(&mut criterion, (&authority, &id), now, &entropy);

    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    let realm = Realm::new(ISSUER, URL, "bench").unwrap();
    let key = GrantKey::open(1, now, key.unwrap().as_ref()).unwrap();
    let minter = Minter::new(GrantKeys::from_iter([key]), realm);
    let mint = |binding| {
        let terms = Terms { lifetime: Duration::from_mins(5), binding, server: None };
        minter.mint(&charter, &terms, now, &entropy).unwrap().0
    };
    let (verifier, proofs) = (minter.verifier(), Proofs::new(&entropy));
    grants(&mut criterion, &mint, &verifier, now);

    let until = now.after(Duration::from_mins(10));
    let leaf = authority.x509(&id, until, now, &entropy).unwrap().certificate;
    let svid = authority.verify_x509(&[&leaf], now).unwrap();
    let thumbprint = CertificateThumbprint::of(&leaf);
    let certificate = Certificate {
        id: id.to_string(),
        agents: agent_of(&id).into_iter().collect(),
        named: None,
        thumbprint,
    };
    let calls = Calls { verifier: &verifier, proofs: &proofs, now };
    let mut group = criterion.benchmark_group("caller");
    calls.bearer(&mut group, &mint(Binding::Nothing));
    calls.dpop(&mut group, &mint(Binding::Key(owner.thumbprint())), &owner);
    let token = mint(Binding::Certificate(thumbprint));
    calls.mtls(&mut group, &token, (&certificate, &authority, &svid));
    group.finish();
    criterion.final_summary();
}
