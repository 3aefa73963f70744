//! What a person allowed is had once, in time, and by its client alone.

use std::sync::Arc;

use remit_engine::client::Owner;
use remit_engine::consent::{
    Bound, CODE_LIFETIME, Claimant, Consent, RedeemError, Redemption, Wants,
};
use remit_engine::open::{Opener, Proposal};
use remit_jose::{KeySet, SigningKey, draw_es256};
use remit_model::agent::AttestationMethod;
use remit_model::task::Consented;
use remit_model::{Budget, Limit, Remit};
use remit_testkit::SeededEntropy;
use remit_testkit::samples::agent_name;
use remit_token::{AssertionError, Challenge};
use serde_json::json;

use super::bench::Bench;

/// The example of RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn by() -> Consented {
    Consented { by: "olga".into(), client: "desk".into() }
}

pub(crate) fn consent(proposal: Proposal) -> Consent {
    let bound = Bound {
        redirect_uri: "https://desk.example/cb".into(),
        challenge: Challenge::s256(CHALLENGE).unwrap(),
        server: None,
        key: None,
        confidential: false,
    };
    Consent { by: by(), agent: agent_name("bot"), proposal, bound }
}

fn desk() -> Claimant {
    Claimant::public("desk")
}

fn work() -> Proposal {
    Proposal { template: "work".into(), purpose: Some("look".into()), ..Proposal::default() }
}

pub(crate) fn shown(code: &str) -> Redemption {
    Redemption {
        code: code.to_owned(),
        client: desk(),
        redirect_uri: Some("https://desk.example/cb".to_owned()),
        verifier: VERIFIER.to_owned(),
        wants: Wants::default(),
    }
}

#[tokio::test]
async fn a_code_runs_out_and_until_then_opens_what_was_shown() {
    let bench = Bench::new().await;
    let late = bench.engine.consent(consent(work()));
    bench.clock.advance(CODE_LIFETIME);
    let refused = bench.engine.redeem(&shown(&late)).await.unwrap_err();
    assert!(matches!(refused, RedeemError::Unknown), "{refused}");

    let opener = Opener::Person(agent_name("bot"), by());
    let preview = bench.engine.preview(&opener, work()).unwrap();
    let before = bench.ledger.entries().len();
    let budget = Budget { calls: Limit::at_most(3), ..Budget::default() };
    let within = Remit { budget, ..preview.charter.remit.clone() };
    let code = bench.engine.consent(consent(Proposal { within: Some(within.clone()), ..work() }));
    assert_eq!(bench.ledger.entries().len(), before, "a consent leaves no record by itself");
    let redeemed = bench.engine.redeem(&shown(&code)).await.unwrap();
    let charter = &redeemed.task.charter;
    assert!(charter.remit.within(&within), "{:?}", charter.remit);
    assert_eq!(charter.remit.budget.calls, Limit::at_most(3));
    assert_eq!(charter.attestation.method, AttestationMethod::Consent);
    assert_eq!(charter.consent, Some(by()));
    let records = bench.records(redeemed.task.id());
    assert_eq!(records[0].1.clear.actor.as_deref(), Some("olga"));
}

#[tokio::test]
async fn whoever_comes_second_closes_the_task_even_while_it_is_being_opened() {
    let bench = Bench::new().await;
    let code = bench.engine.consent(consent(work()));
    let shown = shown(&code);
    bench.ledger.hold();
    let mut first = Box::pin(bench.engine.redeem(&shown));
    while bench.ledger.waiting() == 0 {
        tokio::select! {
            early = &mut first => panic!("it was not held: {early:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    let second = bench.engine.redeem(&shown).await;
    assert!(matches!(second, Err(RedeemError::Replayed)), "{second:?}");
    bench.ledger.release();
    let first = first.await;
    assert!(matches!(first, Err(RedeemError::Replayed)), "{first:?}");
    let cells = bench.engine.cells();
    assert_eq!(cells.len(), 1);
    assert!(!cells[0].lock().is_open(), "what it opened is closed");
    assert_eq!(bench.engine.counters.replayed.get(), 2);
}

#[tokio::test]
async fn refresh_tokens_end_with_the_process_and_the_task_does_not() {
    let mut bench = Bench::new().await;
    let wants = Wants::default();
    let code = bench.engine.consent(consent(work()));
    let redeemed = bench.engine.redeem(&shown(&code)).await.unwrap();
    let refresh = redeemed.refresh.unwrap();
    let other = Wants { resource: Some(Some("files".parse().unwrap())), ..Wants::default() };
    let narrower = bench.engine.renew(&refresh, &desk(), &other).await.unwrap();
    assert_eq!(narrower.holding.server, Some("files".parse().unwrap()));
    let next = narrower.refresh.unwrap();
    let again = bench.engine.renew(&next, &desk(), &wants).await.unwrap();
    assert_eq!(again.holding.server, None, "what was authorized is not forgotten");
    bench.restart().await;
    let lost = bench.engine.renew(&again.refresh.unwrap(), &desk(), &wants).await.unwrap_err();
    assert!(matches!(lost, RedeemError::Unknown), "{lost}");
    let cell = bench.engine.cell(redeemed.task.id()).unwrap();
    assert_eq!(cell.lock().charter.consent, Some(by()));
}

#[tokio::test]
async fn what_a_client_with_keys_was_allowed_nobody_gets_by_its_id_alone() {
    let bench = Bench::new().await;
    let der = draw_es256(&SeededEntropy::new(8)).unwrap();
    let key = SigningKey::from_pkcs8(&der).unwrap();
    let keys = json!({ "keys": [key.jwk("sig")] }).to_string();
    let keys = Arc::new(KeySet::read(&keys).unwrap());
    let now = bench.engine.now().as_secs();
    let proved = |id: &str, jti: &str| {
        let claims = json!({
            "iss": id, "sub": id, "aud": bench.engine.realm().issuer(), "jti": jti, "iat": now,
            "exp": now + 60,
        });
        bench.engine.claimant(&key.sign("JWT", &claims).unwrap(), (id, &keys))
    };
    let confidential = || {
        let consent = consent(work());
        Consent { bound: Bound { confidential: true, ..consent.bound }, ..consent }
    };
    for (client, why) in [
        (desk(), "client with keys of its own"),
        (Claimant::public("other"), "another client"),
        (proved("other", "one").unwrap(), "another client"),
    ] {
        let code = bench.engine.consent(confidential());
        let shown = Redemption { client, ..shown(&code) };
        let refused = bench.engine.redeem(&shown).await.unwrap_err().to_string();
        assert!(refused.contains(why), "{:?}: {refused}", shown.client);
    }
    assert!(bench.engine.cells().is_empty(), "nothing was opened");

    let code = bench.engine.consent(confidential());
    let client = proved("desk", "one").unwrap();
    let redeemed = bench.engine.redeem(&Redemption { client, ..shown(&code) }).await.unwrap();
    let (refresh, wants) = (redeemed.refresh.unwrap(), Wants::default());
    let stolen = bench.engine.renew(&refresh, &desk(), &wants).await.unwrap_err();
    assert!(matches!(stolen, RedeemError::Unproved), "{stolen}");
    assert_eq!(proved("desk", "one"), Err(AssertionError::Replayed));
    let client = proved("desk", "two").unwrap();
    bench.engine.renew(&refresh, &client, &wants).await.unwrap();
    let its = Owner::Client("desk".into());
    assert!(bench.engine.in_use(&redeemed.token, &its).is_some());
    bench.engine.give_back(&redeemed.token, &its).unwrap().unwrap().recorded().await.unwrap();
    let records = bench.records(redeemed.task.id());
    let closing = records.iter().find(|(_, entry)| entry.clear.what == "closing").unwrap();
    assert_eq!(closing.1.clear.actor.as_deref(), Some("desk"));
}
