//! What a caller could ever be permitted: the question at list time.

use std::collections::BTreeMap;
use std::sync::Arc;

use remit_model::task::Event;
use remit_model::{Integrity, Label, Refusal, ServerName, Tool, ToolId};
use remit_policy::{Verdict, decide};
use remit_ports::Discovery;
use remit_provenance::Source;

use crate::call::{not_open, unknown_task};
use crate::cell::CommitError;
use crate::frame::Scene;
use crate::{Caller, Engine};

impl Engine {
    /// The tools of `servers` that the caller could be permitted, or that could be held for a
    /// person, in the catalogue's order.
    pub fn tools(&self, caller: &Caller, servers: &[ServerName]) -> Vec<Tool> {
        let Some(cell) = self.cell(&caller.task) else { return Vec::new() };
        let (world, settings, now) = (self.world(), self.settings(), self.now());
        let task = cell.lock().clone();
        if !task.is_open() {
            return Vec::new();
        }
        let covered = task.remit().tools;
        let scene = Scene { world: &world, settings: &settings, caller, task: &task, now };
        world
            .catalogue
            .offered()
            .filter(|tool| servers.contains(&tool.id.server))
            .filter(|tool| covered.could_cover(&tool.id.to_string()))
            .filter(|tool| !matches!(decide(&world.snapshot, scene.list(tool)), Verdict::Deny(_)))
            .cloned()
            .collect()
    }

    /// What the servers offer beside tools, for those whose `what` (`@resources`, `@prompts`) the
    /// caller's remit covers.
    pub fn offers(
        &self,
        caller: &Caller,
        servers: &[ServerName],
        what: &str,
    ) -> Vec<(ServerName, Arc<Discovery>)> {
        let Some(cell) = self.cell(&caller.task) else { return Vec::new() };
        let within = cell.lock().remit().tools;
        let offers = self.offers.load();
        let covered = |server: &&ServerName| within.could_cover(&format!("{server}/{what}"));
        let offered = |server: &ServerName| {
            offers.get(server).map(|offer| (server.clone(), Arc::clone(offer)))
        };
        servers.iter().filter(covered).filter_map(offered).collect()
    }

    /// Takes into the caller's task what `server` lists beside its tools, before its agent is shown it: names and
    /// titles are chosen by whoever may put something there (promises R5 and R6). Each list is on record.
    ///
    /// Errors: the task takes no calls, or it cannot be recorded; nothing may be shown then.
    pub async fn show(
        &self,
        caller: &Caller,
        (server, list): (&ServerName, &str),
        definitions: &[String],
    ) -> Result<(), Refusal> {
        if definitions.is_empty() {
            return Ok(());
        }
        let cell = self.cell(&caller.task).ok_or_else(unknown_task)?;
        let integrity = Integrity::untrusted(server.as_str());
        let label = Label { integrity, ..Label::default() }.join(self.shelves.all_of(server));
        let accepted = {
            let mut task = cell.lock();
            if !task.is_open() {
                return Err(not_open(&task));
            }
            let event = Event::Shown { label: label.clone() };
            let accepted = self.signal((&cell, &mut task), (list, event), None);
            let accepted = accepted.map_err(|why| self.unrecorded(&why))?;
            let (tool, decision) = (ToolId::new(server, list), accepted.index());
            let source = Source { tool, decision, pointed: false, label };
            cell.memory().shown(&task, &source, definitions);
            accepted
        };
        let durable = accepted.durable().await;
        durable.map(drop).map_err(|why| self.unrecorded(&CommitError::Ledger(why)))
    }

    /// What each server offers, as last seen.
    pub fn all_offers(&self) -> Arc<BTreeMap<ServerName, Arc<Discovery>>> {
        self.offers.load_full()
    }
}
