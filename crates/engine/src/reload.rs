//! Changing the settings and the policy set while calls are running.
//!
//! Both change together or neither does: policies name the approver groups that the settings have. What
//! cannot be put in force changes nothing but what status shows.

use std::sync::Arc;

use remit_policy::{LoadError, Source};
use remit_ports::{Kind, LedgerError};

use crate::world::World;
use crate::{Change, Engine, Settings, draft};

/// Why settings and policies stayed as they were.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The policies do not compile.
    #[error("{0}")]
    Load(#[from] LoadError),
    /// The change could not be recorded.
    #[error("settings and policies were not changed: {0}")]
    Ledger(#[from] LedgerError),
}

impl Engine {
    /// Compiles `sources` against the catalogue and the groups of `settings`, records the change, and puts
    /// both in force. Running tasks keep the remit they were opened with, and agents stand as they
    /// stood.
    ///
    /// Errors: the old ones stay in force; the text says where the new policies are wrong, or why they
    /// could not be recorded. Status shows it.
    pub async fn reload(
        &self,
        settings: Settings,
        sources: Vec<Source>,
    ) -> Result<(), ReloadError> {
        let _writer = self.world_writer.lock().await;
        let changed = self.change(settings, sources).await;
        changed.inspect_err(|why| self.show_refused(why.to_string()))
    }

    async fn change(&self, settings: Settings, sources: Vec<Source>) -> Result<(), ReloadError> {
        let world = self.world();
        let (catalogue, groups) = (Arc::clone(&world.catalogue), settings.group_names());
        let next = World::compile(Arc::new(sources), catalogue, &groups)?;
        if next.pins.policy != world.pins.policy {
            let record = draft::note(Kind::Policy, next.pins, "in force");
            self.ports.ledger.append(record)?.durable().await?;
        }
        // First, because with the world whatever was decided before is decided anew.
        self.replace_settings(&settings);
        self.replace_world(next);
        Ok(())
    }

    /// Shows in status why what is on disk is not in force.
    pub async fn note_refused(&self, why: String) {
        let _writer = self.world_writer.lock().await;
        self.show_refused(why);
    }

    /// For whoever holds `world_writer`.
    fn show_refused(&self, why: String) {
        let world = World { refused: Some(why), ..World::clone(&self.world()) };
        self.world.store(Arc::new(world));
    }

    fn replace_settings(&self, settings: &Settings) {
        self.settings.rcu(|old| {
            let settings = settings.clone();
            let agents = settings.agents.standing_as(old.agents.standing().clone());
            Settings { agents, ..settings }
        });
        self.look_out_as(settings);
        self.announce(Change::Agents);
    }
}
