//! Bodies of the operator's door: what is read says the same when it is written, and a passphrase
//! never shows.

use remit_engine::open::Proposal;
use remit_operator::wire::{Admit, Login, Prompt, Task};

/// One input.
pub(crate) fn hold(data: &[u8]) {
    if let Ok(login) = serde_json::from_slice::<Login>(data) {
        assert_eq!(format!("{login:?}"), "Login(…)");
    }
    if let Ok(prompt) = serde_json::from_slice::<Prompt>(data) {
        let text = serde_json::to_string(&prompt).unwrap();
        assert_eq!(serde_json::from_str::<Prompt>(&text).unwrap().text, prompt.text);
    }
    if let Ok(admit) = serde_json::from_slice::<Admit>(data) {
        let text = serde_json::to_string(&admit).unwrap();
        assert_eq!(serde_json::from_str::<Admit>(&text).unwrap().digest, admit.digest);
    }
    if let Ok(task) = serde_json::from_slice::<Task>(data) {
        let text = serde_json::to_string(&task).unwrap();
        let again: Task = serde_json::from_str(&text).expect("a task reads back");
        assert_eq!(again.remit, task.remit);
    }
    let _ = serde_json::from_slice::<Proposal>(data);
}
