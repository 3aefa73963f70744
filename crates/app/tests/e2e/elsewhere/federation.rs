//! Two Remits with trust domains of their own, each of which believes the other's JWT-SVIDs.

use std::time::Duration;

use serde_json::json;
use spiffe::{SpiffeId, WorkloadApiClient};

use super::{TYPE, form_to, granted, stand};
use crate::grants::Holder;
use crate::peers::Changing;
use crate::stand::{Plan, Stand};

const JWT_SPIFFE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";

/// A Remit of a trust domain, and a process that it takes for its agent `worker`.
struct House {
    stand: Stand,
    notes: Changing,
    client: WorkloadApiClient,
    domain: &'static str,
}

impl House {
    async fn open(domain: &'static str, plan: Plan) -> Self {
        let (stand, notes) = stand(plan.trust_domain(domain)).await;
        let socket = format!("unix://{}", stand.state().join("workload.sock").display());
        let client = WorkloadApiClient::connect_to(socket).await.unwrap();
        Self { stand, notes, client, domain }
    }

    fn issuer(&self) -> String {
        format!("http://{}", self.stand.address())
    }

    /// The tables by which another house believes this one.
    fn table(&self) -> String {
        let (domain, url) = (self.domain, self.issuer());
        format!(
            "[[federation]]\ntrust_domain = \"{domain}\"\n\
             bundle_endpoint_url = \"{url}/spiffe/bundle\"\n\n"
        )
    }

    /// What its worker shows to somebody else.
    async fn svid(&self, audience: &str) -> String {
        let id = SpiffeId::new(format!("spiffe://{}/agent/worker", self.domain)).unwrap();
        self.client.fetch_jwt_token([audience], Some(&id)).await.unwrap()
    }
}

fn knows(domain: &str) -> String {
    format!("federated = [{{ spiffe_id = \"spiffe://{domain}/agent/worker\" }}]")
}

#[tokio::test(flavor = "multi_thread")]
async fn two_remits_believe_each_others_agents() {
    let east = House::open("east.example", Plan::new()).await;
    let plan = Plan::new().agent(&knows("east.example")).with(&east.table());
    let west = House::open("west.example", plan).await;
    // The other way round while it runs.
    let config = std::fs::read_to_string(east.stand.config()).unwrap();
    let line = format!("owner = \"operators\"\n{}\n", knows("west.example"));
    let config = config.replacen("owner = \"operators\"\n", &line, 1) + &west.table();
    std::fs::write(east.stand.config(), config).unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    for (here, there) in [(&west, &east), (&east, &west)] {
        let policy = format!(
            "@id(\"only\")\nforbid (principal, action in Remit::Action::\"tools\", resource)\n\
             unless {{ context.attestation.method == \"federated-jwt-svid\" && \
             context.attestation has named && \
             context.attestation.named.subject == \"spiffe://{}/agent/worker\" }};\n",
            there.domain
        );
        std::fs::write(here.stand.state().join("policies/only.cedar"), policy).unwrap();
        tokio::time::sleep(Duration::from_millis(2500)).await;
        // Bound to a key, so that the SVID alone is worth nothing to whoever sees it.
        let (holder, url) = (Holder::new(), format!("{}/oauth/token", here.issuer()));
        let svid = there.svid(&here.issuer()).await;
        let form = [("grant_type", TYPE), ("assertion", svid.as_str())];
        let first =
            form_to(here.stand.address(), Some(&holder.proof(&url, &json!({}))), &form).await;
        assert!(first.body.contains("use_dpop_nonce"), "{}", first.body);
        let proof = holder.proof(&url, &json!({ "nonce": first.header("dpop-nonce") }));
        let grant = granted(&form_to(here.stand.address(), Some(&proof), &form).await);
        let (token, endpoint) =
            (grant["access_token"].as_str().unwrap(), format!("{}/mcp", here.issuer()));
        let called = crate::grants::call(here.stand.address(), &holder, token, &endpoint).await;
        assert!(called.body.contains("a note"), "{}", called.body);
        assert_eq!(here.notes.reached().len(), 1);
        // As authentication of a client, under its SPIFFE ID.
        let id = format!("spiffe://{}/agent/worker", there.domain);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", JWT_SPIFFE),
            ("client_assertion", svid.as_str()),
            ("client_id", id.as_str()),
        ];
        granted(&form_to(here.stand.address(), None, &form).await);
        crate::proof::log_is_good(&here.stand).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_trust_domain_vouches_for_its_own_alone() {
    let east = House::open("east.example", Plan::new()).await;
    let plan = Plan::new().agent(&knows("east.example")).with(&east.table());
    let west = House::open("west.example", plan).await;
    // An impostor: it has keys of its own for our name.
    let impostor = House::open("west.example", Plan::new()).await;
    let third = House::open("third.example", Plan::new()).await;
    let ours = west.issuer();
    let id = SpiffeId::new("spiffe://east.example/agent/worker").unwrap();
    let two = east.client.fetch_jwt_token([ours.as_str(), "bank"], Some(&id)).await.unwrap();
    let opened = east.stand.open("reading").await;
    let run = format!("spiffe://east.example/agent/worker/task/{}", opened.task);
    let run = SpiffeId::new(run).unwrap();
    let run = east.client.fetch_jwt_token([ours.as_str()], Some(&run)).await.unwrap();
    for (about, svid, why) in [
        ("for somebody else", east.svid("bank").await, "`aud` does not name this audience"),
        ("for two", two, "nothing else"),
        ("of a run, which is no agent here", run, "fits no agent"),
        (
            "of our path under another's key",
            impostor.svid(&ours).await,
            "`kid` is not in the bundle",
        ),
        ("of a domain that nobody trusts", third.svid(&ours).await, "no issuer that is trusted"),
    ] {
        let form = [("grant_type", TYPE), ("assertion", svid.as_str())];
        let refused = form_to(west.stand.address(), None, &form).await;
        assert_eq!(refused.status, 400, "{about}: {}", refused.body);
        assert!(refused.body.contains(why), "{about}: {}", refused.body);
    }
    assert_eq!(west.stand.ask(&["task", "list"]).await, json!([]));
}

/// Somebody serves as theirs a bundle that is ours, or a third one's: it is not believed at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_claims_anothers_domain_is_not_believed() {
    let east = House::open("east.example", Plan::new()).await;
    let third = House::open("third.example", Plan::new()).await;
    let table = east.table().replace(&east.issuer(), &third.issuer());
    let plan = Plan::new().agent(&knows("east.example")).with(&table);
    let west = House::open("west.example", plan).await;
    let svid = east.svid(&west.issuer()).await;
    let form = [("grant_type", TYPE), ("assertion", svid.as_str())];
    let refused = form_to(west.stand.address(), None, &form).await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.body.contains("another trust domain than `east.example`"), "{}", refused.body);
    // It leads to ourselves.
    let config = std::fs::read_to_string(west.stand.config()).unwrap();
    std::fs::write(west.stand.config(), config.replace(&third.issuer(), &west.issuer())).unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let refused = form_to(west.stand.address(), None, &form).await;
    assert!(refused.body.contains("a key of our own trust domain"), "{}", refused.body);
    // And a configuration that says so outright is refused.
    let config = std::fs::read_to_string(west.stand.config()).unwrap();
    let own = config.replace("trust_domain = \"east.example\"", "trust_domain = \"west.example\"");
    std::fs::write(west.stand.config(), own).unwrap();
    let status = west.stand.until("the file is refused", &["status"], |status| {
        status.to_string().contains("is our own trust domain")
    });
    status.await;
}
