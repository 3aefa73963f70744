//! Changing the policy set and the settings while calls are running.
//!
//! A set that does not compile changes nothing but what status shows.

use std::sync::Arc;

use remit_policy::{LoadError, Source};
use remit_ports::{Kind, LedgerError};

use crate::world::World;
use crate::{Change, Engine, Settings, draft};

/// Why the policy set in force stayed.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// It does not compile.
    #[error("{0}")]
    Load(#[from] LoadError),
    /// The change could not be recorded.
    #[error("the policies were not changed: {0}")]
    Ledger(#[from] LedgerError),
}

impl Engine {
    /// Compiles `sources` against the catalogue, records the change, and puts it in force.
    ///
    /// Errors: the old set stays in force; the text says where the new one is wrong.
    pub async fn reload_policies(&self, sources: Vec<Source>) -> Result<(), ReloadError> {
        let _writer = self.world_writer.lock().await;
        let world = self.world();
        let groups = self.settings.load().group_names();
        let compiled = World::compile(Arc::new(sources), Arc::clone(&world.catalogue), &groups);
        let next = match compiled {
            Ok(next) => next,
            Err(why) => {
                self.note_refused(why.to_string());
                return Err(why.into());
            }
        };
        if next.pins.policy != world.pins.policy {
            let record = draft::note(Kind::Policy, next.pins, "in force");
            self.ports.ledger.append(record)?.durable().await?;
        }
        self.replace_world(next);
        Ok(())
    }

    /// Shows in status why what is on disk is not in force.
    pub fn note_refused(&self, why: String) {
        let refused = Some(why);
        // Compared and swapped: a world that takes effect meanwhile must not be undone.
        self.world.rcu(|world| World { refused: refused.clone(), ..World::clone(world) });
    }

    /// Replaces the settings. Running tasks keep the remit they were opened with, and agents stand as
    /// they stood.
    pub fn reload_settings(&self, settings: &Settings) {
        self.settings.rcu(|old| {
            let settings = settings.clone();
            let agents = settings.agents.standing_as(old.agents.standing().clone());
            Settings { agents, ..settings }
        });
        self.look_out_as(settings);
        self.announce(Change::Agents);
    }
}
