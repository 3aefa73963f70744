//! What a person allowed is had once, in time, and by its client alone.

use remit_engine::consent::{Bound, CODE_LIFETIME, Consent, RedeemError, Redemption, Wants};
use remit_engine::open::{Opener, Proposal};
use remit_model::agent::AttestationMethod;
use remit_model::task::Consented;
use remit_model::{Budget, Limit, Remit};
use remit_testkit::samples::agent_name;
use remit_token::Challenge;

use super::bench::Bench;

/// The example of RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn by() -> Consented {
    Consented { by: "olga".into(), client: "desk".into() }
}

fn consent(proposal: Proposal) -> Consent {
    let bound = Bound {
        redirect_uri: "https://desk.example/cb".into(),
        challenge: Challenge::s256(CHALLENGE).unwrap(),
        server: None,
        key: None,
    };
    Consent { by: by(), agent: agent_name("bot"), proposal, bound }
}

fn work() -> Proposal {
    Proposal { template: "work".into(), purpose: Some("look".into()), ..Proposal::default() }
}

fn shown(code: &str) -> Redemption {
    Redemption {
        code: code.to_owned(),
        client: "desk".to_owned(),
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
    let narrower = bench.engine.renew(&refresh, "desk", &other).await.unwrap();
    assert_eq!(narrower.holding.server, Some("files".parse().unwrap()));
    let next = narrower.refresh.unwrap();
    let again = bench.engine.renew(&next, "desk", &wants).await.unwrap();
    assert_eq!(again.holding.server, None, "what was authorized is not forgotten");
    bench.restart().await;
    let lost = bench.engine.renew(&again.refresh.unwrap(), "desk", &wants).await.unwrap_err();
    assert!(matches!(lost, RedeemError::Unknown), "{lost}");
    let cell = bench.engine.cell(redeemed.task.id()).unwrap();
    assert_eq!(cell.lock().charter.consent, Some(by()));
}
