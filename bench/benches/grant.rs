#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up has nothing to say")]
//! What it costs to believe a grant: the first time, and when it was verified before.

use std::hint::black_box;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use criterion::Criterion;
use remit_testkit::{SeededEntropy, samples};
use remit_token::{Minter, Realm};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    let endpoint = "http://127.0.0.1:7070/mcp";
    let realm = Realm::new(endpoint, endpoint, "bench").unwrap();
    let minter = Minter::new(key.unwrap().as_ref(), realm).unwrap();
    let charter = samples::charter(1);
    let (now, entropy) = (charter.opened, SeededEntropy::new(1));
    let (token, _) = minter.mint(&charter, Duration::from_mins(5), now, &entropy).unwrap();
    let verifier = minter.verifier();

    let mut group = criterion.benchmark_group("grant");
    group.bench_function("verified", |b| b.iter(|| verifier.verify(black_box(&token), now)));
    verifier.verify_cached(&token, now).unwrap();
    group.bench_function("known", |b| b.iter(|| verifier.verify_cached(black_box(&token), now)));
    group.finish();
    criterion.final_summary();
}
