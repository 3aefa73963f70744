//! A changed configuration: settings and policies take effect together, or neither does.

use remit_engine::Settings;
use remit_engine::reload::ReloadError;
use remit_model::ToolId;
use remit_policy::Source;
use remit_ports::LedgerError;
use remit_testkit::samples::server;

use crate::bench::{Bench, operator, policy};

/// What names an approver group that there is none of at the start.
const FINANCE: &str = r#"@id("finance") forbid (principal, action in Remit::Action::"effect:write", resource)
unless { context has approval && context.approval.group == Remit::ApproverGroup::"finance" };"#;

fn naming_finance() -> Vec<Source> {
    vec![policy(), Source { path: "finance.cedar".into(), text: FINANCE.into() }]
}

/// The settings, with or without the group `finance`.
fn settings(bench: &Bench, has_finance: bool) -> Settings {
    let mut settings = Settings::clone(&bench.engine.settings());
    settings.groups.remove("finance");
    if has_finance {
        settings.groups.insert("finance".into(), vec!["fay".into()]);
    }
    settings
}

fn has_finance(bench: &Bench) -> bool {
    bench.engine.settings().groups.contains_key("finance")
}

#[tokio::test]
async fn a_policy_can_name_a_group_that_comes_with_it() {
    let bench = Bench::new().await;
    bench.engine.reload(settings(&bench, true), naming_finance()).await.unwrap();
    assert!(has_finance(&bench));
    assert_eq!(bench.engine.world().refused, None);
}

#[tokio::test]
async fn a_group_that_a_policy_names_does_not_go_without_it() {
    let bench = Bench::new().await;
    bench.engine.reload(settings(&bench, true), naming_finance()).await.unwrap();
    let why = bench.engine.reload(settings(&bench, false), naming_finance()).await.unwrap_err();
    assert!(why.to_string().contains("finance"), "{why}");
    assert!(has_finance(&bench), "settings that the policies do not fit are not in force");
    assert_eq!(bench.engine.world().refused, Some(why.to_string()));
    let tool = ToolId::new(&server("files"), "read_file");
    bench.engine.withdraw_tool(&operator(), &tool).await.unwrap();
    let seen = bench.engine.world().catalogue.get(&tool).unwrap().digest;
    bench.engine.admit_tool(&operator(), &tool, seen).await.unwrap();
    bench.engine.reload(settings(&bench, false), vec![policy()]).await.unwrap();
    assert!(!has_finance(&bench));
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_in_force_and_status_says_why() {
    let bench = Bench::new().await;
    bench.ledger.set_full(true);
    let why = bench.engine.reload(settings(&bench, true), naming_finance()).await.unwrap_err();
    assert!(matches!(why, ReloadError::Ledger(LedgerError::NoSpace)), "{why}");
    assert!(!has_finance(&bench));
    assert_eq!(bench.engine.world().refused, Some(why.to_string()));
    bench.ledger.set_full(false);
    bench.engine.reload(settings(&bench, true), naming_finance()).await.unwrap();
    assert!(has_finance(&bench));
    assert_eq!(bench.engine.world().refused, None);
}

#[tokio::test]
async fn what_status_says_of_a_refused_change_outlives_changed_tools() {
    let bench = Bench::new().await;
    let why = bench.reload_policies(naming_finance()).await.unwrap_err().to_string();
    let tool = ToolId::new(&server("files"), "read_file");
    bench.engine.withdraw_tool(&operator(), &tool).await.unwrap();
    assert_eq!(bench.engine.world().refused, Some(why));
}
