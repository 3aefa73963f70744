//! One identity per run: a task's SVID comes with the task and goes with it.

use futures_util::StreamExt as _;
use spiffe::{WorkloadApiClient, X509Context};
use tokio::time::timeout;

use super::{client, stand, worker};
use crate::stand::{PATIENCE, Stand};

/// What an open stream showed last.
fn names(context: &X509Context) -> Vec<String> {
    context.svids().iter().map(|svid| svid.spiffe_id().to_string()).collect()
}

fn of_task(task: &str) -> String {
    format!("{}/task/{task}", worker())
}

async fn fetched(client: &WorkloadApiClient) -> Vec<String> {
    names(&client.fetch_x509_context().await.unwrap())
}

async fn stops(stand: &Stand, act: &str, task: &str) {
    let stopped = stand.remit(&["task", act, task]).await;
    assert!(stopped.ok, "{}", stopped.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_brings_a_tasks_svid_when_it_opens_and_takes_it_away_when_it_stops() {
    let stand = stand("").await;
    let client = client(&stand).await;
    let mut stream = client.stream_x509_contexts().await.unwrap();
    let mut next = async || {
        let message = timeout(PATIENCE, stream.next()).await.expect("a message in time");
        names(&message.unwrap().unwrap())
    };
    assert_eq!(next().await, [worker().to_string()]);
    let one = stand.open("work").await.task;
    assert_eq!(next().await, [worker().to_string(), of_task(&one)]);
    let two = stand.open("work").await.task;
    assert_eq!(next().await, [worker().to_string(), of_task(&one), of_task(&two)]);
    stops(&stand, "freeze", &one).await;
    assert_eq!(next().await, [worker().to_string(), of_task(&two)], "frozen");
    stand.act(&["task", "thaw", &one]).await;
    assert_eq!(next().await, [worker().to_string(), of_task(&one), of_task(&two)]);
    stops(&stand, "close", &two).await;
    assert_eq!(next().await, [worker().to_string(), of_task(&one)], "closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_can_be_had_for_each_run_and_not_after_it() {
    let stand = stand("").await;
    let client = client(&stand).await;
    let task = stand.open("work").await.task;
    let id = spiffe::SpiffeId::new(of_task(&task)).unwrap();
    let token = client.fetch_jwt_svid(["bank"], Some(&id)).await.unwrap();
    assert_eq!((token.spiffe_id(), token.hint()), (&id, Some(task.as_str())));
    stops(&stand, "close", &task).await;
    assert!(client.fetch_jwt_svid(["bank"], Some(&id)).await.is_err());
    assert_eq!(fetched(&client).await, [worker().to_string()]);
}

/// A grant that an operator hands out says nothing of which process will hold it.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_an_operator_opened_is_no_processs_identity() {
    let stand = stand("").await;
    let client = client(&stand).await;
    let open = ["task", "open", "--template", "work", "--purpose", "by hand", "--agent", "worker"];
    stand.act(&open).await;
    assert_eq!(stand.ask(&["task", "list"]).await[0]["state"], "open");
    assert_eq!(fetched(&client).await, [worker().to_string()]);
}
