//! "Pay what the bill says" (R5): text from outside chooses an account only where a person said beforehand
//! that it may, from that tool, within bounds, so many times; and no agent says so in a person's place.

use serde_json::{Value, json};

use crate::grants::{Holder, JWT_BEARER, post};
use crate::peers::{Changing, Client, Conversation, node, npm_server, refusal_of};
use crate::stand::{Grant, Plan, Stand};

/// Whom the bills are from.
pub(crate) const IBAN: &str = "DE89 3704 0044 0532 0130 00";

/// The flow that the template offers.
const OFFERED: &str = r#"
[[template.foreseen]]
tool = "bank/pay"
argument = ["iban", "amount"]
from = "filesystem/read_text_file"
arguments = { amount = { at_most = 500 } }
times = 2
offered = { name = "pay-bills", title = "Pay what a bill says" }

[[client]]
id = "desk"
redirect_uris = ["http://127.0.0.1/callback"]
agent = "worker"
"#;

pub(crate) struct Office {
    pub(crate) stand: Stand,
    bank: Changing,
    files: String,
}

impl Office {
    /// Other people's file server with two bills, a bank, and a template that offers the flow.
    pub(crate) async fn up(plan: Plan) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pay = json!([{"name": "pay", "description": "Pays an amount in euros to an account.", "answer": "paid",
            "inputSchema": {"type": "object", "required": ["iban", "amount"],
                "properties": {"iban": {"type": "string"}, "amount": {"type": "number"}}},
            "annotations": {"readOnlyHint": false, "destructiveHint": false}}]);
        let bank = Changing::new(folder.path(), &pay);
        let files = folder.path().join("files");
        std::fs::create_dir(&files).unwrap();
        let bill = |amount: &str| format!("Bill of the gardener: pay {amount} EUR to {IBAN}.\n");
        std::fs::write(files.join("bill.txt"), bill("180")).unwrap();
        std::fs::write(files.join("dear.txt"), bill("5200")).unwrap();
        let files = files.to_str().unwrap().to_owned();
        let command = bank.command();
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let plan = plan
            .stdio("filesystem", &[&node(), &npm_server("filesystem"), &files], "shared = true\n")
            .stdio("bank", &command, "")
            .template("bills", &["filesystem/*", "bank/*"], OFFERED);
        let state = folder.path().join("state");
        let stand = Stand::up(&plan, folder, state).await;
        let both = |tools: &Value| {
            let tools = tools.as_array().unwrap();
            let listed = |name: &str| tools.iter().any(|tool| tool["id"]["server"] == name);
            ["filesystem", "bank"].into_iter().all(listed)
        };
        stand.until("both servers have been asked", &["tool", "list"], both).await;
        Self { stand, bank, files }
    }

    /// A task that a person opens, and its agent, which has read a bill.
    pub(crate) async fn agent(&self, more: &[&str], bill: &str) -> (Grant, Conversation) {
        let purpose = format!("Pay the bill in {}/{bill}", self.files);
        let open = ["task", "open", "--template", "bills", "--purpose", &purpose, "--json"];
        let opened = self.stand.with_passphrase(&[&open[..], more].concat()).await.json();
        let grant = Grant::of(&opened);
        let mut agent = Client::TypeScriptOld.connect(&grant).await;
        let text = agent.text("filesystem__read_text_file", &self.path(bill)).await;
        assert!(text.contains(IBAN), "{text}");
        (grant, agent)
    }

    pub(crate) fn path(&self, bill: &str) -> Value {
        json!({"path": format!("{}/{bill}", self.files)})
    }

    /// It is held for a person, by these rules; nothing has reached the bank.
    pub(crate) async fn asks(&self, agent: &mut Conversation, call: Value, rules: &[&str]) {
        let reached = self.bank.reached().len();
        let answer = agent.call("bank__pay", &call).await;
        let refusal = refusal_of(&answer);
        assert!(refusal["hold"].is_string(), "{refusal}");
        for rule in rules {
            assert!(refusal["reasons"].to_string().contains(rule), "no {rule} in {refusal}");
        }
        assert_eq!(self.bank.reached().len(), reached);
    }

    pub(crate) async fn pays(&self, agent: &mut Conversation, call: Value) {
        let reached = self.bank.reached().len();
        assert_eq!(agent.text("bank__pay", &call).await, "paid");
        assert_eq!(self.bank.reached().len(), reached + 1);
    }
}

pub(crate) fn pay(amount: u64) -> Value {
    json!({"iban": IBAN, "amount": amount})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bill_is_paid_unasked_once_a_person_said_so_and_as_far_as_they_did() {
    let office = Office::up(Plan::new()).await;
    let (_, mut agent) = office.agent(&[], "bill.txt").await;
    office.asks(&mut agent, pay(180), &["accounts-ask", "outside-amount-asks"]).await;
    agent.end().await;

    let once = ["--foresee", "pay-bills:times=1"];
    let (grant, mut agent) = office.agent(&once, "bill.txt").await;
    office.pays(&mut agent, pay(180)).await;
    office.asks(&mut agent, pay(180), &["accounts-ask"]).await;
    agent.end().await;
    let shown = office.stand.remit(&["task", "show", &grant.task]).await.said();
    let line = "foreseen  Pay what a bill says (pay-bills): what `filesystem/read_text_file` returns may be the \
                `amount` and `iban` of `bank/pay`, if `amount` is at most 500, in one call; used in 1";
    assert!(shown.contains(line), "{shown}");

    let (_, mut agent) = office.agent(&["--foresee", "pay-bills"], "dear.txt").await;
    office.asks(&mut agent, pay(5200), &["accounts-ask", "outside-amount-asks"]).await;
    agent.end().await;
    let (_, mut agent) = office.agent(&["--foresee", "pay-bills:amount<=100"], "bill.txt").await;
    office.asks(&mut agent, pay(180), &["accounts-ask", "outside-amount-asks"]).await;
    agent.end().await;
    crate::proof::log_is_good(&office.stand).await;
}

/// Each way by which an agent can come to a task of its own. It might have read a bill before.
#[tokio::test(flavor = "multi_thread")]
async fn no_agent_switches_a_flow_on_for_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (worker, keys) = (Holder::new(), folder.path().join("worker.jwks"));
    std::fs::write(&keys, json!({ "keys": [worker.jwk()] }).to_string()).unwrap();
    let office = Office::up(Plan::new().agent_keys(&keys)).await;
    let stand = &office.stand;
    for args in [
        &["task", "open", "--template", "bills", "--foresee", "pay-bills"][..],
        &["mcp", "--template", "bills", "--foresee", "pay-bills"],
        &["mcp", "--template", "bills", "--known", IBAN],
        &["run", "--template", "bills", "--foresee", "pay-bills", "--", "true"],
    ] {
        let refused = stand.remit(args).await;
        assert!(!refused.ok, "{args:?}: {}", refused.said());
        assert!(refused.said().contains("only a person may s"), "{args:?}: {}", refused.said());
    }
    let address = stand.address();
    let issuer = format!("http://{address}");
    for details in [
        json!([{"type": "remit", "template": "bills", "foresee": [{"name": "pay-bills"}]}]),
        json!([{"type": "remit", "template": "bills", "known": [IBAN]}]),
    ] {
        let assertion = worker.assertion(("worker", &issuer), &json!({}));
        let wanted =
            [("grant_type", "client_credentials"), ("authorization_details", &details.to_string())];
        let to = (address, "/oauth/token");
        let refused = post(to, (JWT_BEARER, &assertion), None, &wanted).await;
        assert_eq!(refused.status, 400, "{}", refused.body);
        assert!(refused.body.contains("only a person may say"), "{}", refused.body);
    }
    let tasks = stand.ask(&["task", "list"]).await;
    assert_eq!(tasks, json!([]), "nothing was opened");
}
