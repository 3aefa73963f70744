//! What is lent as a certificate is shown on connections of its own, to a server that has to be somebody, too.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use spiffe::{SpiffeId, TrustDomain};

use super::{assert_nowhere, leases, told};
use crate::peers::{Client, Conversation, Listening, certificate, peer, started};
use crate::stand::{Grant, Plan, Stand};
use crate::svids::{client, pem};

const LEDGER: &str = "spiffe_id = \"spiffe://remit.local/agent/ledger\"\n";
const OWN: &str = "spiffe://remit.local/remit";
/// Two workloads that serve, known by the user that they run as.
const WORKLOADS: &str = "[[agent]]\nname = \"ledger\"\nowner = \"operators\"\n\n\
                         [[agent]]\nname = \"stranger\"\nowner = \"operators\"\n\n\
                         [[credential]]\nname = \"who\"\nkind = \"svid\"\naudience = [\"https://ledger.example\"]\n\n";

/// A server that takes nobody without an SVID, and what it wrote down.
struct Mutual {
    files: PathBuf,
    journal: PathBuf,
    server: Listening,
}

impl Mutual {
    /// Takes nobody at all yet.
    async fn start(era: &str, files: &Path, elsewhere: &str) -> Self {
        std::fs::create_dir_all(files).unwrap();
        let journal = files.join("journal");
        std::fs::write(&journal, "").unwrap();
        let script = peer("servers/mutual.py");
        let [folder, lines] = [files, &journal].map(|path| path.to_str().unwrap());
        let elsewhere = (!elsewhere.is_empty()).then_some(elsewhere);
        let arguments: Vec<&str> =
            [&script, era, folder, lines].into_iter().chain(elsewhere).collect();
        Self { files: files.to_owned(), server: started(&arguments).await, journal }
    }

    /// Believes the bundle of `stand` from now on, and is what it calls `agent`.
    async fn is(&self, stand: &Stand, agent: &str) {
        let id = SpiffeId::new(format!("spiffe://remit.local/agent/{agent}")).unwrap();
        let context = client(stand).await.fetch_x509_context().await.unwrap();
        let svid = context.svids().iter().find(|svid| *svid.spiffe_id() == id).unwrap();
        self.write("own.key", &pem("PRIVATE KEY", svid.private_key().as_bytes()));
        self.write("own.pem", &pem("CERTIFICATE", svid.leaf().as_bytes()));
        self.believes(stand).await;
    }

    async fn believes(&self, stand: &Stand) {
        let context = client(stand).await.fetch_x509_context().await.unwrap();
        let bundle = context.bundle_set().get(&TrustDomain::new("remit.local").unwrap()).unwrap();
        let authorities = bundle.authorities().iter().map(|it| pem("CERTIFICATE", it.as_bytes()));
        self.write("bundle.pem", &authorities.collect::<String>());
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.files.join(name), text).unwrap();
    }

    fn lines(&self, did: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.journal).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["did"] == did).collect()
    }

    /// The connections on which `who` was shown and that have not ended.
    fn open(&self, who: &str) -> BTreeSet<u64> {
        let numbers = |did: &str| -> BTreeSet<u64> {
            let lines = self.lines(did).into_iter().filter(|line| line["who"] == who);
            lines.map(|line| line["connection"].as_u64().unwrap()).collect()
        };
        &numbers("open") - &numbers("closed")
    }

    /// Waits until none is left.
    async fn none_left(&self, who: &str) {
        for _ in 0..100 {
            if self.open(who).is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{who} is still connected: {:?}", self.open(who));
    }
}

/// A Remit whose tasks are known to `server` by their SVIDs; `believed` says by what it is known itself.
async fn before(server: &Mutual, believed: &str, folder: tempfile::TempDir) -> Stand {
    let lend = format!("{believed}lend = [{{ credential = \"who\", mutual_tls = true }}]");
    let plan = Plan::new().with(WORKLOADS).http("ledger", &server.server.url, &lend);
    let plan = plan.template("reading", &["ledger/*"], "");
    let state = folder.path().join("state");
    Stand::up(&plan, folder, state).await
}

async fn meeting(era: &str) -> (Stand, Mutual) {
    let folder = tempfile::tempdir().unwrap();
    let server = Mutual::start(era, &folder.path().join("ledger"), "").await;
    let stand = before(&server, LEDGER, folder).await;
    server.is(&stand, "ledger").await;
    known(&stand).await;
    (stand, server)
}

/// Waits until the server has said what it offers.
async fn known(stand: &Stand) {
    let listed = |list: &Value| list.to_string().contains("\"read_who\"");
    stand.until("the server is known", &["tool", "list"], listed).await;
}

fn run(grant: &Grant) -> String {
    format!("spiffe://remit.local/agent/worker/task/{}", grant.task)
}

async fn who(talk: &mut Conversation, grant: &Grant) -> String {
    talk.text("ledger__read_who", &json!({ "task": grant.task })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_task_shows_its_own_svid_and_nothing_goes_through_anothers_connection() {
    for (era, speaks) in
        [("stateless", Client::TypeScriptStateless), ("sessions", Client::TypeScriptSessions)]
    {
        let (stand, server) = meeting(era).await;
        let grants = [stand.open("reading").await, stand.open("reading").await];
        let [mut one, mut other] =
            [speaks.connect(&grants[0]).await, speaks.connect(&grants[1]).await];
        for _ in 0..3 {
            assert_eq!(who(&mut one, &grants[0]).await, run(&grants[0]), "{era}");
            assert_eq!(who(&mut other, &grants[1]).await, run(&grants[1]), "{era}");
        }
        let asked = server.lines("asked");
        let calls: Vec<_> = asked.iter().filter(|line| line["what"] == "read_who").collect();
        assert_eq!(calls.len(), 6);
        for call in calls {
            let (id, task) = (call["who"].as_str().unwrap(), call["task"].as_str().unwrap());
            assert!(id.ends_with(task), "{era}: {call}");
        }
        let lists: Vec<_> = asked.iter().filter(|line| line["what"] == "tools/list").collect();
        assert!(
            !lists.is_empty() && lists.iter().all(|line| line["who"] == OWN),
            "{era}: {lists:?}"
        );
        let opened = server.lines("open");
        assert!(opened.iter().all(|line| line["resumed"] == false), "{opened:?}");
        one.end().await;
        other.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_connection_stays_when_its_task_has_ended_or_stands_still() {
    let (stand, server) = meeting("sessions").await;
    let grant = stand.open("reading").await;
    let mut talk = Client::TypeScriptSessions.connect(&grant).await;
    assert_eq!(who(&mut talk, &grant).await, run(&grant));
    assert!(!server.open(&run(&grant)).is_empty(), "the stream of what it says unasked is open");
    stand.remit(&["task", "freeze", &grant.task]).await;
    server.none_left(&run(&grant)).await;
    stand.act(&["task", "thaw", &grant.task]).await;
    assert_eq!(who(&mut talk, &grant).await, run(&grant), "lent anew");
    talk.end().await;
    stand.remit(&["task", "close", &grant.task]).await;
    server.none_left(&run(&grant)).await;
    let tried = server.lines("open").len();
    // An SVID runs out by itself; what matters is that nobody shows it any more.
    let runs_out = |all: &Value| {
        leases(all).iter().all(|it| it.get("task").is_none() || it["state"] == "runs out")
    };
    stand.until("it is only waited for", &["credential", "list"], runs_out).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.none_left(&run(&grant)).await;
    let opened = server.lines("open");
    let later = opened.iter().skip(tried).filter(|line| line["who"] == run(&grant));
    assert_eq!(later.count(), 0, "nobody connects in the name of a task that has ended");
    assert_eq!(told(&stand, &grant.task).await.iter().filter(|what| *what == "lending").count(), 2);
    crate::proof::log_is_good(&stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_under_way_ends_with_the_credential_that_it_was_made_with() {
    let (stand, server) = meeting("stateless").await;
    let grant = stand.open("reading").await;
    let mut talk = Client::PythonStateless.connect(&grant).await;
    let calling = async { talk.call("ledger__read_long", &json!({ "task": grant.task })).await };
    let revoking = async {
        while !server.lines("asked").iter().any(|line| line["what"] == "read_long") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        stand.act(&["credential", "revoke", "--task", &grant.task]).await;
    };
    let (ended, ()) = tokio::join!(calling, revoking);
    assert_eq!(ended["isError"], true, "{ended}");
    server.none_left(&run(&grant)).await;
    assert_eq!(who(&mut talk, &grant).await, run(&grant), "whoever may still use one gets another");
    talk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_does_not_take_the_certificate_along() {
    let folder = tempfile::tempdir().unwrap();
    let thief = Mutual::start("stateless", &folder.path().join("thief"), "").await;
    let server = Mutual::start("stateless", &folder.path().join("ledger"), &thief.server.url).await;
    let stand = before(&server, LEDGER, folder).await;
    thief.is(&stand, "ledger").await;
    server.is(&stand, "ledger").await;
    known(&stand).await;
    let mut talk = Client::TypeScriptStateless.connect(&stand.open("reading").await).await;
    let moved = talk.call("ledger__read_moved", &json!({})).await;
    assert_eq!(moved["isError"], true, "{moved}");
    talk.end().await;
    assert_eq!(thief.lines("tried"), [] as [Value; 0], "the thief was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_the_server_that_is_expected_is_shown_nothing_and_told_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Mutual::start("stateless", &folder.path().join("ledger"), "").await;
    let stand = before(&server, LEDGER, folder).await;
    server.is(&stand, "stranger").await;
    let refused = |status: &Value| {
        let expected = "expected the server `spiffe://remit.local/agent/ledger` there, got \
                        `spiffe://remit.local/agent/stranger`";
        status.to_string().contains(expected)
    };
    stand.until("it is refused in words", &["status"], refused).await;
    assert!(!server.lines("tried").is_empty() && server.lines("open").is_empty());
    // One whose certificate this machine believes, for the right address, is not it either.
    let [own, key] = ["own.pem", "own.key"].map(|name| server.files.join(name));
    certificate(&own, &key).await;
    let tried = server.lines("tried").len();
    while server.lines("tried").len() < tried + 2 {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(server.lines("open"), [] as [Value; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_known_by_its_own_authority_gets_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("ledger");
    let server = Mutual::start("stateless", &files, "").await;
    let [own, key] = ["own.pem", "own.key"].map(|name| files.join(name));
    certificate(&own, &key).await;
    let believed = format!("ca_file = \"{}\"\n", own.display());
    let stand = before(&server, &believed, folder).await;
    server.believes(&stand).await;
    known(&stand).await;
    let grant = stand.open("reading").await;
    let mut talk = Client::TypeScriptStateless.connect(&grant).await;
    assert_eq!(who(&mut talk, &grant).await, run(&grant));
    talk.end().await;
    let kept = std::fs::read_to_string(&key).unwrap();
    assert_nowhere(&stand, kept.lines().nth(1).unwrap(), &key).await;
}
