//! What a caller could ever be permitted: the question at list time.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard};

use remit_model::task::Event;
use remit_model::{Integrity, Label, Refusal, ServerName, Task, Tool, ToolId};
use remit_policy::{Verdict, decide};
use remit_ports::{Accepted, Discovery};
use remit_provenance::Source;

use crate::call::unknown_task;
use crate::cell::{CommitError, TaskCell};
use crate::frame::Scene;
use crate::{Caller, Engine};

/// One of the lists that servers have beside that of their tools.
#[derive(Clone, Copy, Debug)]
pub struct List {
    /// The method that asks for it.
    pub method: &'static str,
    /// What is in it, each as JSON.
    pub of: fn(&Discovery) -> &[String],
}

/// A server, and what it offers.
pub type Offer = (ServerName, Arc<Discovery>);

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
    pub fn offers(&self, caller: &Caller, servers: &[ServerName], what: &str) -> Vec<Offer> {
        let Some(cell) = self.cell(&caller.task) else { return Vec::new() };
        let within = cell.lock().remit().tools;
        let offers = self.offers.load();
        let covered = |server: &&ServerName| within.could_cover(&format!("{server}/{what}"));
        let offered = |server: &ServerName| {
            offers.get(server).map(|offer| (server.clone(), Arc::clone(offer)))
        };
        servers.iter().filter(covered).filter_map(offered).collect()
    }

    /// Takes into the caller's task what servers list beside their tools, before its agent is shown it: names and
    /// titles are chosen by whoever may put something there (promises R5 and R6). What is new to the task is on
    /// record. Gives whether it may be shown: nothing is to a task that stands still.
    ///
    /// Errors: it cannot be recorded; nothing may be shown then.
    pub async fn show(
        &self,
        caller: &Caller,
        list: List,
        offers: &[Offer],
    ) -> Result<bool, Refusal> {
        let cell = self.cell(&caller.task).ok_or_else(unknown_task)?;
        let last = {
            let mut task = cell.lock();
            if !task.is_open() {
                return Ok(false);
            }
            // Before the label is there, by which a task that was forgotten is told from a new one.
            cell.memory().of(&task, |_| ());
            let mut last = None;
            for offer in offers {
                last = self.take_in((&cell, &mut task), list, offer)?.or(last);
            }
            last
        };
        if let Some(last) = last {
            let durable = last.durable().await;
            durable.map_err(|why| self.unrecorded(&CommitError::Ledger(why)))?;
        }
        cell.was_shown(list, offers);
        Ok(true)
    }

    /// The record of what is new to the task, if anything is.
    fn take_in(
        &self,
        (cell, task): (&TaskCell, &mut MutexGuard<'_, Task>),
        list: List,
        (server, offer): &Offer,
    ) -> Result<Option<Accepted>, Refusal> {
        let definitions = (list.of)(offer);
        if definitions.is_empty() {
            return Ok(None);
        }
        let integrity = Integrity::untrusted(server.as_str());
        let label = Label { integrity, ..Label::default() }.join(self.shelves.all_of(server));
        if label.flows_to(&task.account().label) && cell.has_seen(list, (server, offer)) {
            return Ok(None);
        }
        let event = Event::Shown { label: label.clone() };
        let accepted = self.signal((cell, task), (list.method, event), None);
        let accepted = accepted.map_err(|why| self.unrecorded(&why))?;
        let (tool, decision) = (ToolId::new(server, list.method), accepted.index());
        let source = Source { tool, decision, pointed: false, label };
        cell.memory().shown(task, &source, definitions);
        Ok(Some(accepted))
    }

    /// What each server offers, as last seen.
    pub fn all_offers(&self) -> Arc<BTreeMap<ServerName, Arc<Discovery>>> {
        self.offers.load_full()
    }
}
