//! A person ticks on the page what text from outside may decide, and how far; no client does.

use serde_json::{Value, json};

use super::browser::{Browser, ask, redeem, sent_to};
use super::{read, tasks};
use crate::foreseen::{Office, pay};
use crate::grants::fits_the_schema;
use crate::peers::Client;
use crate::stand::Plan;
use crate::wire::get;

/// What is filled in beside the flow.
fn filled<'a>(more: &[(&'a str, &'a str)], purpose: &'a str) -> Vec<(&'a str, &'a str)> {
    let fields = [
        ("template", "bills"),
        ("purpose", purpose),
        ("tool", "bank/pay"),
        ("tool", "filesystem/read_text_file"),
    ];
    [&fields[..], more].concat()
}

fn foreseen(granted: &Value) -> &Value {
    &granted["authorization_details"][0]["foreseen"]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_ticks_is_in_force_and_what_the_client_gets_back() {
    let office = Office::up(Plan::new()).await;
    let purpose = format!("Pay the bill in {}", office.path("bill.txt")["path"].as_str().unwrap());
    let mut browser = Browser::sign_in(&office.stand, &ask(&[])).await;
    for part in [
        "Pay what a bill says",
        "what <code>filesystem/read_text_file</code> returns may be the <code>amount</code>",
        r#"name="flow" value="pay-bills">"#,
        r#"name="times pay-bills" value="2""#,
        r#"name="at-most pay-bills amount" value="500""#,
    ] {
        assert!(browser.page.contains(part), "{part}: {}", browser.page);
    }
    let unticked = [("at-most pay-bills amount", "200")];
    let shown = browser.review(&filled(&unticked, &purpose)).await;
    assert!(!shown.body.contains("Pay what a bill says"), "{}", shown.body);
    browser.step("edit", &[]).await;
    assert!(browser.page.contains(r#"name="at-most pay-bills amount" value="200""#));

    for (bounds, why) in [
        ([("times pay-bills", "3"), ("at-most pay-bills amount", "")], "from 1 to 2"),
        ([("times pay-bills", ""), ("at-most pay-bills amount", "501")], "at most 500"),
        ([("times pay-bills", "x"), ("at-most pay-bills amount", "")], "Expected whole numbers"),
    ] {
        let wider = [&[("flow", "pay-bills")], &bounds[..]].concat();
        let again = browser.review(&filled(&wider, &purpose)).await;
        assert_eq!(again.status, 422, "{bounds:?}");
        assert!(again.body.contains(why), "{bounds:?}: {}", again.body);
        assert!(again.body.contains(r#"value="pay-bills" checked"#), "{}", again.body);
    }

    let once =
        [("flow", "pay-bills"), ("times pay-bills", "1"), ("at-most pay-bills amount", "200")];
    let shown = browser.review(&filled(&once, &purpose)).await;
    for part in ["Pay what a bill says", "<code>amount</code> is at most 200, in one call"] {
        assert!(shown.body.contains(part), "{part}: {}", shown.body);
    }
    let allowed = sent_to(&browser.step("allow", &[]).await);
    let code = allowed["code"].as_str().unwrap();
    let granted = read(&redeem(&office.stand, code, &[], None).await);
    let details = &granted["authorization_details"];
    assert!(fits_the_schema(details).await, "{details}");
    let flow = &foreseen(&granted)[0];
    assert_eq!((&flow["times"], &flow["arguments"]["amount"]["at_most"]), (&json!(1), &json!(200)));
    assert_eq!(flow["offered"]["name"], "pay-bills", "{flow}");

    let endpoint = format!("http://{}/mcp", office.stand.address());
    let token = granted["access_token"].as_str().unwrap();
    let mut agent = Client::TypeScriptOld.connect_to(&endpoint, token).await;
    agent.text("filesystem__read_text_file", &office.path("bill.txt")).await;
    office.pays(&mut agent, pay(180)).await;
    office.asks(&mut agent, pay(180), &["accounts-ask"]).await;
    agent.end().await;
    let task = details[0]["task"].as_str().unwrap();
    let shown = office.stand.ask(&["task", "show", task]).await;
    assert_eq!((&shown["foreseen"][0]["flow"], &shown["foreseen"][0]["used"]), (flow, &json!(1)));
    crate::proof::log_is_good(&office.stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_neither_ticks_one_nor_has_its_form_tick_one() {
    let office = Office::up(Plan::new()).await;
    let stand = &office.stand;
    for wish in [r#""foresee":[{"name":"pay-bills"}]"#, r#""foreseen":[]"#, r#""known":["DE02"]"#] {
        let wish = format!(r#"[{{"type":"remit","template":"bills",{wish}}}]"#);
        let path = ask(&[("authorization_details", &wish)]);
        let told = sent_to(&get(stand.address(), &path).await);
        assert_eq!(told["error"], "invalid_authorization_details", "{told}");
        let why = told["error_description"].as_str().unwrap();
        assert!(why.contains("only a person may say"), "{why}");
    }
    // What stands in the address is no part of the form.
    let path = format!("{}&flow=pay-bills", ask(&[]));
    let mut browser = Browser::sign_in(stand, &path).await;
    assert!(browser.page.contains(r#"name="flow" value="pay-bills">"#), "{}", browser.page);
    // Nor is what comes with the yes.
    browser.review(&filled(&[], "Pay")).await;
    let allowed = sent_to(&browser.step("allow", &[("flow", "pay-bills")]).await);
    let granted = read(&redeem(stand, allowed["code"].as_str().unwrap(), &[], None).await);
    assert!(foreseen(&granted).is_null(), "{granted}");
    assert_eq!(tasks(stand).await.len(), 1);
}
