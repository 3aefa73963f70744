//! A policy file broken on disk changes nothing but a clear error.

use std::time::Duration;

use serde_json::{Value, json};

use crate::drift::stand;
use crate::peers::Client;

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_policy_file_keeps_the_old_set_and_says_where_it_is_broken() {
    let (stand, notes) = stand().await;
    let grant = stand.open("reading").await;
    let mut talk = Client::TypeScriptStateless.connect(&grant).await;
    talk.text("notes__read_list", &json!({})).await;

    let file = stand.state().join("policies/mine.cedar");
    std::fs::write(
        &file,
        "@id(\"mine\")\npermit (principal, action,\n  resource) whenever { true };\n",
    )
    .unwrap();
    let check = stand.remit(&["policy", "check"]).await;
    assert!(!check.ok, "a broken file passed: {}", check.said());
    assert!(check.said().contains("mine.cedar"), "{}", check.said());
    assert!(check.said().contains('3'), "no line: {}", check.said());
    stand.logged("mine.cedar").await;
    talk.text("notes__read_list", &json!({})).await;

    // A policy that parses and names what does not exist is as broken.
    let wrong =
        "@id(\"mine\")\nforbid (principal, action, resource) when { context.no_such_thing };\n";
    std::fs::write(&file, wrong).unwrap();
    let check = stand.remit(&["policy", "check"]).await;
    assert!(!check.ok, "an unknown attribute passed: {}", check.said());
    assert!(check.said().contains("no_such_thing"), "{}", check.said());
    talk.text("notes__read_list", &json!({})).await;

    // A good one takes effect without a restart.
    std::fs::write(&file, "@id(\"mine\")\nforbid (principal, action, resource);\n").unwrap();
    let mut refused = false;
    for _ in 0..100 {
        let call = json!({"do": "tools/call", "name": "notes__read_list", "arguments": {}});
        let result = talk.result(&call).await;
        if result["isError"] == true {
            let refusal = crate::peers::refusal_of(&result);
            assert!(refusal["reasons"].to_string().contains("mine"), "{refusal}");
            refused = true;
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(refused, "the new policy never took effect: {}", stand.log());
    assert!(!notes.reached().is_empty());
    talk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_policy_file_at_start_is_refused_or_leaves_everything_denied() {
    let (mut stand, notes) = stand().await;
    stand.kill().await;
    std::fs::write(stand.state().join("policies/mine.cedar"), "permit (").unwrap();
    let config = stand.config();
    let serve = ["serve", "--json", "--config", config.to_str().unwrap()];
    let ended = tokio::time::timeout(Duration::from_secs(20), stand.remit(&serve)).await;
    let ran = ended
        .expect("remit serve runs with a policy file it cannot read and nothing to fall back to");
    assert!(!ran.ok);
    assert!(ran.stderr.contains("mine.cedar"), "{}", ran.said());
    assert!(notes.reached().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_policies_never_permit_is_proven_or_shown_to_be_wrong() {
    let (stand, _notes) = stand().await;
    let folder = |name: &str, text: &str| {
        let dir = stand.state().join(name);
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("mine.cedar"), text).unwrap();
        dir.to_str().unwrap().to_owned()
    };
    let reads =
        "@id(\"reads\")\npermit (principal, action in Remit::Action::\"effect:read\", resource);\n";
    let narrow = folder("narrow", reads);
    let wide = folder("wide", "@id(\"all\")\npermit (principal, action, resource);\n");

    let proven = stand.remit(&["policy", "prove", "--policies", &narrow, "--against", &wide]).await;
    assert!(proven.ok, "{}", proven.said());
    assert!(proven.said().contains("6 of 6 claims proven"), "{}", proven.said());

    let args = ["policy", "prove", "--json", "--policies", &wide, "--against", &narrow];
    let broken = stand.remit(&args).await;
    assert!(!broken.ok, "{}", broken.said());
    let broken: Value = serde_json::from_str(&broken.stdout).unwrap();
    let claims = broken["claims"].as_array().unwrap();
    assert!(claims.iter().all(|claim| claim["verdict"] == "broken"), "{broken}");
    let promise = claims.iter().find(|claim| claim["id"] == "unattended-untrusted-target").unwrap();
    let question = &promise["question"];
    let by = question["permitted_by"][0].as_str().unwrap();
    assert!(by.starts_with("`all` (") && by.ends_with("wide/mine.cedar:1)"), "{question}");
    let sees = json!({"path": "context.flow.target.integrity", "value": "\"untrusted\""});
    assert!(question["looked_at"].as_array().unwrap().contains(&sees), "{question}");
}
