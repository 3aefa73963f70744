//! The scripted servers spend what they are given, once, at the last moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use remit_model::Effect;
use remit_ports::{Drafted, Outcome, Receipt, Ticket};
use tokio::sync::mpsc;

use super::*;
use crate::samples;

struct Ready {
    armed: Armed,
    link: Link,
    heard: mpsc::Receiver<ToClient>,
    epoch: Arc<AtomicU64>,
}

fn ready() -> Ready {
    let tool = samples::tool("mail/send", Effect::Send);
    let permit = samples::permit(&tool, r#"{"to":"ann@example.org"}"#);
    let (drafted, _) = Drafted::new(permit).unwrap();
    let receipt = Receipt::assertion(4, Digest::of(b"leaf"), Some(drafted.question_digest()));
    let epoch = Arc::new(AtomicU64::new(3));
    let deadline = samples::NOW;
    let ticket = Ticket { epoch: Arc::clone(&epoch), expected: 3, deadline };
    let (to_client, heard) = mpsc::channel(4);
    let link = Link { to_client, ..samples::link() };
    Ready { armed: drafted.recorded(receipt).unwrap().arm(ticket), link, heard, epoch }
}

#[tokio::test]
async fn answers_by_the_script_and_remembers() {
    let upstream = ScriptedUpstream::new(|call| Answer::text(&call.scope_name()));
    upstream.set_notifications(vec![r#"{"jsonrpc":"2.0","method":"a"}"#.to_owned()]);
    let Ready { armed, link, mut heard, .. } = ready();
    let done = upstream.send(armed, link).await;
    assert_eq!((done.decision(), upstream.sent()[0].decision), (4, 4));
    let Some(Reply::Result(raw)) = done.reply() else { panic!("{done:?}") };
    assert!(raw.raw().as_str().contains("mail/send"));
    assert!(matches!(done.outcome(), Outcome::Answered { failed: false, .. }));
    assert!(matches!(heard.recv().await, Some(ToClient::Notification(_))));
}

#[tokio::test]
async fn every_answer_has_its_outcome() {
    for (answer, sent, expected) in [
        (Answer::failed("no"), 1, "Answered { bytes: 56, failed: true }"),
        (Answer::Error(r#"{"code":-1}"#.into()), 1, "Answered { bytes: 11, failed: true }"),
        (Answer::NotSent("down".into()), 0, "NotSent { why: \"down\" }"),
        (Answer::Unknown("died".into()), 1, "Unknown { why: \"died\" }"),
    ] {
        let upstream = ScriptedUpstream::new(move |_| answer.clone());
        let Ready { armed, link, .. } = ready();
        let done = upstream.send(armed, link).await;
        assert_eq!(format!("{:?}", done.outcome()), expected);
        assert_eq!(upstream.sent().len(), sent, "{expected}");
    }
}

#[tokio::test]
async fn an_epoch_that_moves_before_the_write_stops_the_call() {
    let upstream = Arc::new(ScriptedUpstream::default());
    upstream.set_write_gate(false);
    let Ready { armed, link, epoch, .. } = ready();
    let there = Arc::clone(&upstream);
    let call = tokio::spawn(async move { there.send(armed, link).await });
    upstream.arrived(1).await;
    epoch.fetch_add(1, Ordering::AcqRel);
    upstream.set_write_gate(true);
    assert_eq!(call.await.unwrap().outcome(), &Outcome::Stopped);
    assert!(upstream.sent().is_empty());
}

#[tokio::test]
async fn cancelled_before_and_after_the_write() {
    for (gate, expected) in [("write", "NotSent"), ("answer", "Unknown"), ("none", "Unknown")] {
        let upstream = Arc::new(ScriptedUpstream::new(|_| Answer::Never));
        upstream.set_write_gate(gate != "write");
        upstream.set_answer_gate(gate != "answer");
        let Ready { armed, link, .. } = ready();
        let (there, cancelled) = (Arc::clone(&upstream), link.cancelled.clone());
        let call = tokio::spawn(async move { there.send(armed, link).await });
        if gate == "write" {
            upstream.arrived(1).await;
        } else {
            upstream.written(1).await;
        }
        cancelled.cancel();
        let done = call.await.unwrap();
        assert!(format!("{:?}", done.outcome()).starts_with(expected), "{gate}: {done:?}");
        assert_eq!(upstream.sent().len(), usize::from(gate != "write"));
    }
}

#[tokio::test]
async fn offers_pins_and_releases() {
    let upstream = ScriptedUpstream::default();
    let server = samples::server("mail");
    assert!(matches!(upstream.discover(&server, Vec::new()).await, Err(UpstreamError::Unknown(_))));
    let tools = vec!["{}".to_owned()];
    upstream.offer(&server, Discovery { tools, ..Discovery::default() });
    assert_eq!(upstream.discover(&server, Vec::new()).await.unwrap().tools.len(), 1);
    upstream.pin(&server, Digest::of(b"x"));
    assert_eq!(upstream.pinned()[&server], Digest::of(b"x"));
    upstream.release(&samples::task_id(1));
    assert_eq!(upstream.released(), [samples::task_id(1)]);
    let mut events = upstream.events();
    let (method, message) = ("notifications/tools/list_changed".to_owned(), "{}".to_owned());
    upstream.emit(UpstreamEvent { server: server.clone(), task: None, method, message });
    assert_eq!(events.recv().await.unwrap().server, server);
    assert_eq!(upstream.status()[0].server, server);
}
