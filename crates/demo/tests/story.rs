#![cfg(test)]
//! The story goes through where every promise holds, and names the scene where one does not.

mod fake_remit;

use std::time::Duration;

use fake_remit::{FakeRemit, Fault};
use remit_demo::drift::Flag;
use remit_demo::setting::{Pace, Setting};
use remit_demo::stage::Decision;
use remit_demo::{StoryError, Summary, tell};

async fn told(fault: Fault) -> (Result<Summary, StoryError>, String) {
    let directory = tempfile::tempdir().unwrap();
    let drift = Flag::new(directory.path().join("drift"));
    let mut stage = FakeRemit::start(fault, &drift).await;
    let patience = if fault == Fault::IgnoresDrift { 1 } else { 15 };
    let setting = Setting {
        colour: false,
        width: 80,
        pace: Pace::Fast,
        patience: Duration::from_secs(patience),
        drift,
    };
    let mut page = Vec::new();
    let result = tell(&mut stage, &mut page, &setting).await;
    (result, String::from_utf8(page).unwrap())
}

#[tokio::test]
async fn the_story_goes_as_told() {
    let (result, page) = told(Fault::None).await;
    println!("{page}");
    let summary = result.unwrap();
    assert_eq!(summary.task, "tsk_1");
    assert_eq!(summary.count(Decision::Hold), 3);
    assert_eq!(summary.count(Decision::Deny), 3);
    assert_eq!(summary.steps.len(), 17);
    assert_eq!(summary.log.entries, 16);
    assert!(page.lines().all(|line| line.chars().count() <= 80), "a line is too long");
    assert!(!page.contains('\u{1b}'), "colours on a plain page");
    assert!(page.contains("<U+200B>"), "the hidden characters are not shown");
    assert!(page.contains("unprotected"));
    let json = serde_json::to_value(&summary).unwrap();
    assert_eq!(json["steps"][6]["class"], "structural");
}

#[tokio::test]
async fn a_broken_promise_is_noticed_in_its_scene() {
    for (fault, scene, words) in [
        (Fault::SendsToAnyone, 3, "expected a refusal of class structural on mail/send_message"),
        (Fault::RefusesWithoutRemedy, 3, "a reason and a remedy"),
        (Fault::PaysUnasked, 4, "expected a held call on payments/transfer"),
        (Fault::ShowsAnotherCall, 4, "the operator to see payments/transfer"),
        (Fault::ApprovalIsReusable, 4, "expected a held call on payments/transfer"),
        (Fault::ShowsChangedWords, 5, "the new words not to reach the agent"),
        (Fault::BudgetIsEndless, 6, "class budget on files/write_file"),
        (Fault::GrantOutlivesTask, 7, "expected no answer but the door"),
        (Fault::LogForgetsRefusals, 8, "the log to say what the agent saw"),
    ] {
        let error = told(fault).await.0.unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(&format!("scene {scene} did not")), "{fault:?}: {text}");
        assert!(text.contains(words), "{fault:?}: {text}");
    }
}

#[tokio::test]
async fn a_drift_that_nobody_notices_ends_the_wait() {
    let error = told(Fault::IgnoresDrift).await.0.unwrap_err().to_string();
    assert!(error.contains("web/fetch_page to be quarantined within 1s"), "{error}");
}
