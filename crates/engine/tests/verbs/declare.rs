//! A plan is said before anything from outside has been read, at the latest as the task is opened, and only
//! narrows (R3, R5).

use remit_engine::open::{Opener, Proposal};
use remit_model::agent::AttestationMethod;
use remit_model::{Door, Refusal, Task, ToolRule};

use crate::bench::{self, Bench};

fn client() -> Opener {
    bench::client("bot", AttestationMethod::PrivateKeyJwt)
}

async fn open(bench: &Bench, template: &str, plan: &[&str]) -> Result<Task, Refusal> {
    let rule = |tool: &&str| ToolRule::any_arguments(tool.parse().unwrap());
    let plan = Some(plan.iter().map(rule).collect());
    let proposal = Proposal { template: template.into(), plan, ..Proposal::default() };
    bench.engine.open(&client(), proposal).await
}

#[tokio::test]
async fn what_was_planned_at_the_opening_is_all_there_is() {
    let mut bench = Bench::new().await;
    let task = open(&bench, "planning", &["files/read_*", "shop/*"]).await.unwrap();
    let further = ToolRule::any_arguments("*/*_file".parse().unwrap());
    bench.engine.declare(task.id(), vec![further]).await.unwrap();
    for round in ["at once", "after a crash", "from the projection"] {
        let caller = bench.engine.caller(task.id(), Door::McpHttp).unwrap();
        bench.call(&caller, "files/read_file").await.unwrap();
        for outside in ["files/read_page", "files/write_file"] {
            let refusal = bench.call(&caller, outside).await.unwrap_err();
            assert_eq!(refusal.reasons[0].policy, "remit:scope", "{outside} {round}: {refusal}");
        }
        if round == "after a crash" {
            bench.engine.project().await.unwrap();
        }
        bench.restart().await;
    }
}

#[tokio::test]
async fn what_cannot_be_planned_opens_nothing() {
    let bench = Bench::new().await;
    let size = bench.ledger.entries().len();
    let many: Vec<_> = (0..257).map(|n| format!("files/t{n}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    for (template, plan, why) in
        [("work", &["files/read_file"][..], "provide"), ("planning", &many, "at most 256")]
    {
        let refusal = open(&bench, template, plan).await.unwrap_err().to_string();
        assert!(refusal.contains(why), "{refusal}");
    }
    assert_eq!(bench.ledger.entries().len(), size);
}

#[tokio::test]
async fn a_client_that_has_read_something_from_outside_plans_nothing_any_more() {
    let bench = Bench::new().await;
    let task = open(&bench, "planning", &["files/*"]).await.unwrap();
    let caller = bench.engine.caller(task.id(), Door::McpHttp).unwrap();
    bench.call(&caller, "files/read_page").await.unwrap();
    let refusal = open(&bench, "planning", &["files/write_file"]).await.unwrap_err();
    assert_eq!(refusal.reasons[0].policy, "remit:sealed", "{refusal}");
}
