//! What a caller could ever be permitted: the question at list time.

use std::collections::BTreeMap;
use std::sync::Arc;

use remit_model::{ServerName, Tool};
use remit_policy::{Verdict, decide};
use remit_ports::Discovery;

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

    /// What each server offers, as last seen.
    pub fn all_offers(&self) -> Arc<BTreeMap<ServerName, Arc<Discovery>>> {
        self.offers.load_full()
    }
}
