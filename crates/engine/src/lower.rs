//! Lowering labels of what a server holds: an operator has looked, and says what it carries at most.
//!
//! What one note has raised would otherwise stay raised for ever. It is the word of a person, on record with
//! a reason, and about what stands there now: whoever has read it keeps the labels, and what is written from
//! now on, or by a call that is under way, raises them again ([`remit_model::stored`]).

use std::collections::BTreeSet;

use remit_model::stored::Change;
use remit_model::{Ceiling, Digest, Label, Lowered, Question, ServerName, Trail};
use remit_ports::{Kind, LedgerError};

use crate::approve::Actor;
use crate::lifecycle::MAX_REASON;
use crate::stored::{paths, trail};
use crate::{Engine, draft};

/// What is to be lowered, and why.
#[derive(Clone, Copy, Debug)]
pub struct ToLower<'a> {
    /// In which server.
    pub server: &'a ServerName,
    /// What stands at this path and in it; all of it without one.
    pub path: Option<&'a str>,
    /// What it carries at most.
    pub to: Ceiling,
    /// Why; kept encrypted.
    pub reason: &'a str,
}

/// What a server holds that carries anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// Which server.
    pub server: ServerName,
    /// Where; `None`: it could be anywhere.
    pub at: Option<Digest>,
    /// The path of that, unless what the record says was erased.
    pub path: Option<String>,
    /// What it carries.
    pub label: Label,
    /// The newest decision that left any of it there.
    pub decision: u64,
}

/// Why nothing was lowered.
#[derive(Debug, thiserror::Error)]
pub enum LowerError {
    /// It names no limit.
    #[error("expected what it carries at most: that it is trusted, how sensitive it is, or both")]
    Nowhere,
    /// There is none, or it is too long.
    #[error("expected a reason of 1 to {MAX_REASON} bytes, got {0}")]
    Reason(usize),
    /// It is not a path from the root on.
    #[error("expected a path from `/` on without `..`, got `{0}`")]
    Path(String),
    /// Nothing there carries more.
    #[error(
        "nothing that was left there in `{0}` carries more than that, or else a call that is under way \
         writes it: wait for that or freeze its task; `remit stored list` shows what carries anything"
    )]
    Nothing(ServerName),
    /// It could not be recorded.
    #[error("nothing was lowered: {0}")]
    Ledger(#[from] LedgerError),
}

impl Engine {
    /// What servers hold that carries anything. Reads the log, so not for the event loop.
    pub fn labelled(&self) -> Vec<Labelled> {
        let stored = self.shelves.all();
        let marks = stored.marks().map(|(server, at, mark)| Labelled {
            server: server.clone(),
            at,
            path: at.and_then(|at| self.path_at(at, mark.decision)),
            label: mark.label.clone(),
            decision: mark.decision,
        });
        marks.collect()
    }

    /// The path with this digest, as the call of `decision` named it.
    fn path_at(&self, at: Digest, decision: u64) -> Option<String> {
        let body = self.ports.ledger.read(decision).ok()??.body?;
        let question: Question = serde_json::from_str(body.get("question")?).ok()?;
        let profile = &question.tool.as_ref()?.profile;
        let mut paths = paths(&question, profile)?.into_iter();
        paths.find(|(_, trail)| trail.at() == at).map(|(path, _)| path.to_owned())
    }

    /// Lowers labels, on record: what whoever reads there takes on from now on.
    ///
    /// Errors: nothing was lowered.
    pub async fn lower(&self, actor: &Actor, ask: ToLower<'_>) -> Result<Label, LowerError> {
        let ToLower { server, path, to, reason } = ask;
        if to == Ceiling::default() {
            return Err(LowerError::Nowhere);
        }
        if reason.trim().is_empty() || reason.len() > MAX_REASON {
            return Err(LowerError::Reason(reason.len()));
        }
        let named = |path: &str| trail(path).ok_or_else(|| LowerError::Path(path.to_owned()));
        let there = path.map(named).transpose()?;
        let lowered = Lowered { server: server.clone(), at: there.as_ref().map(Trail::at), to };
        if !self.shelves.all().would_fall(&lowered) {
            return Err(LowerError::Nothing(server.clone()));
        }
        let mut record = draft::note(Kind::Label, self.world().pins, "lowered");
        record.clear.actor = Some(actor.name.clone());
        record.clear.lowered = Some(lowered.clone());
        for (field, text) in [("reason", Some(reason)), ("path", path)] {
            let text = text.map(|text| serde_json::Value::from(text).to_string());
            record.body.extend(text.map(|text| (field.to_owned(), text)));
        }
        let append = || self.ports.ledger.append(record);
        let accepted = self.shelves.change(Change::Lowered(&lowered), append)?;
        accepted.durable().await?;
        let stored = self.shelves.all();
        let trails = there.map(|trail| BTreeSet::from([trail]));
        Ok(trails.map_or_else(|| stored.all_of(server), |trails| stored.of(server, &trails)))
    }
}
