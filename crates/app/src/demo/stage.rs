//! The story's operator: the operator's socket, with the passphrase.

use std::path::PathBuf;

use remit_demo::stage::{
    Decision, Held, Logged, Opened, Shown, Stage, StageError, Standing, Verified,
};
use remit_model::Admission;
use remit_operator::wire::{self, Admit, Granted, Hold, Status, Stopped, ToolDetail};
use remit_ports::{Entry, Kind};
use serde_json::json;

use crate::client::Client;
use crate::commands::moment;
use crate::fail::Fail;
use crate::serve;

/// An operator at their desk.
#[derive(Debug)]
pub(crate) struct Office {
    client: Client,
    state: PathBuf,
}

impl Office {
    /// The operator whose `client` is logged in.
    pub(crate) fn new(client: Client, state: PathBuf) -> Self {
        Self { client, state }
    }
}

fn said(why: Fail) -> StageError {
    why.into_text().into()
}

fn remit(task: &wire::Task) -> Vec<(String, String)> {
    let budget = task.remit.budget;
    [
        ("tools", task.tools.join(", ")),
        ("budget", format!("{} calls, {} of them with an effect", budget.calls, budget.effects)),
        ("data", format!("at most {}", format!("{:?}", task.remit.ceiling).to_lowercase())),
        ("ends", moment(task.ends)),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .to_vec()
}

impl Stage for Office {
    async fn open(&mut self, template: &str, purpose: &str) -> Result<Opened, StageError> {
        let proposal = json!({ "template": template, "purpose": purpose });
        let granted: Granted = self.client.post("/v1/tasks", &proposal).await.map_err(said)?;
        let path = format!("/v1/tasks/{}", granted.task);
        let task: wire::Task = self.client.get(&path).await.map_err(said)?;
        let status: Status = self.client.get("/v1/status").await.map_err(said)?;
        let setup = status.setup;
        Ok(Opened {
            task: granted.task.to_string(),
            endpoint: granted.endpoint,
            grant: granted.grant,
            opened_by: "the operator".to_owned(),
            remit: remit(&task),
            unprotected: (setup.protection == "unprotected").then_some(setup.protection_why),
        })
    }

    async fn held(&mut self, hold: &str) -> Result<Held, StageError> {
        let held: Hold = self.client.get(&format!("/v1/holds/{hold}")).await.map_err(said)?;
        Ok(Held {
            tool: held.tool,
            arguments: serde_json::from_str(held.arguments.as_deref().unwrap_or("null"))?,
            approvers: held.groups.join(", "),
            digest: held.digest,
        })
    }

    async fn approve(&mut self, hold: &str) -> Result<(), StageError> {
        let path = format!("/v1/holds/{hold}/approve");
        self.client.post::<_, Hold>(&path, &json!({})).await.map(drop).map_err(said)
    }

    async fn deny(&mut self, hold: &str) -> Result<(), StageError> {
        let path = format!("/v1/holds/{hold}/deny");
        self.client.post::<_, Hold>(&path, &json!({})).await.map(drop).map_err(said)
    }

    async fn tool(&mut self, tool: &str) -> Result<Shown, StageError> {
        let path = format!("/v1/tools/{tool}");
        let detail: ToolDetail = self.client.get(&path).await.map_err(said)?;
        let standing = match detail.tool.admission {
            Admission::Admitted { .. } => Standing::Admitted,
            Admission::Quarantined { .. } => Standing::Quarantined,
            Admission::Withdrawn { .. } => Standing::Withdrawn,
        };
        let diff = detail.diff.unwrap_or_default();
        Ok(Shown { standing, diff, findings: detail.tool.flags })
    }

    async fn admit(&mut self, tool: &str) -> Result<(), StageError> {
        let path = format!("/v1/tools/{tool}");
        let detail: ToolDetail = self.client.get(&path).await.map_err(said)?;
        let admit = Admit { digest: detail.tool.digest.to_string() };
        let path = format!("{path}/admit");
        self.client.post::<_, ToolDetail>(&path, &admit).await.map(drop).map_err(said)
    }

    async fn close(&mut self, task: &str) -> Result<(), StageError> {
        let path = format!("/v1/tasks/{task}/close");
        self.client.post::<_, Stopped>(&path, &json!({})).await.map(drop).map_err(said)
    }

    async fn verify(&mut self, task: &str) -> Result<Verified, StageError> {
        // A proof of the last entry makes the server publish a checkpoint that covers it.
        let status: Status = self.client.get("/v1/status").await.map_err(said)?;
        let last = status.entries.saturating_sub(1);
        self.client.get_text(&format!("/v1/ledger/proofs/{last}")).await.map_err(said)?;
        let against = serve::Against::own(&self.state).map_err(said)?;
        let verified = serve::verify(&self.state, None, &against, &mut |_, _| {}).map_err(said)?;
        let mut calls = Vec::new();
        serve::entries(&self.state, 0, &mut |index, entry| {
            calls.extend(logged(task, index, &entry));
        })
        .map_err(said)?;
        Ok(Verified { entries: verified.published, root: verified.root.to_string(), calls })
    }
}

/// The decision on one of the task's tool calls.
fn logged(task: &str, index: u64, entry: &Entry) -> Option<Logged> {
    let own = entry.task.as_ref().is_some_and(|id| id.as_str() == task);
    let decision = match (entry.kind, entry.clear.what.as_str()) {
        (Kind::Decision, _) => Decision::Permit,
        (Kind::Refusal, "hold") => Decision::Hold,
        (Kind::Refusal, _) => Decision::Deny,
        _ => return None,
    };
    let tool = entry.clear.tool.clone()?;
    own.then_some(Logged { entry: index, tool, decision })
}
