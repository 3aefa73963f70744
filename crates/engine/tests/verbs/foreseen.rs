//! A flow that a template offers is in force where a person says so, as far as they do, and nowhere else
//! (R3, R5).

use std::sync::Arc;

use remit_engine::hand_off::HandOff;
use remit_engine::open::{Holding, Narrowing, Opener, Proposal};
use remit_engine::{Settings, Template};
use remit_model::agent::AttestationMethod;
use remit_model::scope::Constraint;
use remit_model::task::{CloseReason, Consented};
use remit_model::{Foreseeable, Refusal, Task, Workload};
use remit_testkit::samples::agent_name;

use crate::bench::{Bench, bot, client, operator};
use crate::consent::{consent, shown};

fn bills(ticks: &[&str]) -> Proposal {
    let foresee = ticks.iter().map(|tick| tick.parse().unwrap()).collect();
    Proposal { template: "bills".into(), foresee, ..Proposal::default() }
}

fn person() -> Opener {
    let by = Consented { by: "olga".into(), client: "desk".into() };
    Opener::Person(agent_name("bot"), by)
}

async fn open(bench: &Bench, opener: &Opener, ticks: &[&str]) -> Result<Task, Refusal> {
    bench.engine.open(opener, bills(ticks)).await
}

/// What each flow that is in force was ticked as.
fn ticked(task: &Task) -> Vec<Option<&str>> {
    let flows = task.charter.foreseen.iter();
    flows.map(|flow| flow.offered.as_ref().map(|offered| offered.name.as_str())).collect()
}

#[tokio::test]
async fn only_a_person_switches_a_flow_on() {
    let bench = Bench::new().await;
    let size = bench.ledger.entries().len();
    let agents = [
        Opener::Peer(Workload::of_user(7)),
        client("bot", AttestationMethod::PrivateKeyJwt),
        client("bot", AttestationMethod::Oidc),
    ];
    for agent in &agents {
        let refused = open(&bench, agent, &["file-page"]).await.unwrap_err();
        assert_eq!(refused.reasons[0].policy, "remit:foresee", "{agent:?}: {refused}");
        assert!(refused.remedy.contains("let an operator open the task"), "{}", refused.remedy);
    }
    assert_eq!(bench.ledger.entries().len(), size, "nothing was opened");
    for agent in &agents {
        assert_eq!(ticked(&open(&bench, agent, &[]).await.unwrap()), [None]);
    }
    for person in [Opener::Operator("olga".into()), person()] {
        assert_eq!(ticked(&open(&bench, &person, &[]).await.unwrap()), [None]);
        let task = open(&bench, &person, &["file-page:times=1"]).await.unwrap();
        assert_eq!(ticked(&task), [None, Some("file-page")]);
    }
}

#[tokio::test]
async fn not_even_a_person_goes_beyond_what_the_template_offers() {
    let bench = Bench::new().await;
    for (tick, why) in [
        ("file-page:times=3", "from 1 to 2"),
        ("file-page:size<=501", "at most 500"),
        ("file-everything", "it offers: file-page"),
    ] {
        let refused = open(&bench, &person(), &[tick]).await.unwrap_err();
        assert_eq!(refused.reasons[0].policy, "remit:foresee", "{tick}: {refused}");
        assert!(refused.to_string().contains(why), "{tick}: {refused}");
    }
}

#[tokio::test]
async fn what_was_ticked_is_on_record_and_goes_with_the_task_alone() {
    let mut bench = Bench::new().await;
    let opener = Opener::Operator("olga".into());
    let task = open(&bench, &opener, &["file-page:size<=200"]).await.unwrap();
    for round in ["at once", "after a crash", "from the projection"] {
        let kept = bench.engine.cell(task.id()).unwrap().lock().clone();
        let flow = &kept.charter.foreseen[1];
        assert_eq!(flow.arguments[&"size".into()], Constraint::AtMost(200), "{round}");
        assert_eq!((flow.times, ticked(&kept)), (2, vec![None, Some("file-page")]), "{round}");
        if round == "after a crash" {
            bench.engine.project().await.unwrap();
        }
        bench.restart().await;
    }
    let holding = Holding::default();
    let token = bench.engine.grant(&task, &holding).unwrap();
    let to = bot();
    for template in [None, Some("bills".to_owned())] {
        let subject = bench.engine.shown(&token).unwrap();
        let narrowing = Narrowing::default();
        let wanted = HandOff { subject, template, purpose: None, plan: None, narrowing };
        let (child, _) = bench.engine.hand_off(&to, wanted, &holding).await.unwrap();
        assert!(child.charter.foreseen.is_empty(), "{:?}", child.charter);
        bench.engine.close(child.id(), CloseReason::Done, "bot").unwrap();
    }
    bench.engine.close(task.id(), CloseReason::Done, "bot").unwrap();
    bench.engine.erase(&operator(), task.id()).await.unwrap();
    let erased = bench.engine.cell(task.id()).unwrap().lock().clone();
    assert!(erased.charter.foreseen.is_empty(), "what a person said is erased");
}

/// A template that says more, or something else, by the time that the client comes for its grant.
#[tokio::test]
async fn a_person_allows_the_flows_that_they_were_shown() {
    let bench = Bench::new().await;
    let preview = bench.engine.preview(&person(), bills(&["file-page"])).unwrap();
    let allowed = || Proposal {
        within: Some(preview.charter.remit.clone()),
        shown: Some(preview.charter.foreseen.clone()),
        ..bills(&["file-page"])
    };
    let code = bench.engine.consent(consent(allowed()));
    let task = bench.engine.redeem(&shown(&code)).await.unwrap().task;
    assert_eq!(task.charter.foreseen, preview.charter.foreseen);

    let wider = r#"[{"tool":"files/write_file","argument":"path","from":"*",
        "offered":{"name":"file-page","title":"File a page"}}]"#;
    let settings = bench.engine.settings();
    let bills = settings.templates["bills"].as_ref().clone();
    let bills = Template { foreseen: serde_json::from_str::<Foreseeable>(wider).unwrap(), ..bills };
    let mut changed = Settings { ..settings.as_ref().clone() };
    changed.templates.insert("bills".into(), Arc::new(bills));
    let code = bench.engine.consent(consent(allowed()));
    bench.reload_settings(changed).await;
    let refused = bench.engine.redeem(&shown(&code)).await.unwrap_err().to_string();
    assert!(refused.contains("not those that a person was shown"), "{refused}");
}
