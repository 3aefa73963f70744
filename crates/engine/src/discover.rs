//! Keeping the catalogue true: what servers offer, what changed, who admitted it.
//!
//! Each change is on record before it takes effect, and the catalogue is the fold over them.

use std::sync::Arc;

use remit_catalogue::{AdmitError, Catalogue, Change as CatalogueChange};
use remit_model::{Digest, ServerName, ToolId};
use remit_ports::{Discovery, Kind, LedgerError, UpstreamError};

use crate::approve::Actor;
use crate::world::World;
use crate::{Change, Engine, draft};

/// Why the catalogue was not changed.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// The server could not be asked.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The change could not be recorded.
    #[error("the catalogue was not changed: {0}")]
    Ledger(#[from] LedgerError),
    /// The tool cannot be admitted or withdrawn.
    #[error(transparent)]
    Admit(#[from] AdmitError),
    /// The policies do not fit the tool's definition.
    #[error("the policies in force would no longer be valid, so nothing was admitted: {0}")]
    Policy(#[from] remit_policy::LoadError),
}

impl Engine {
    /// Asks `server` what it offers and puts what changed on record; gives the number of changes.
    ///
    /// Errors: the server cannot be asked, or the changes cannot be recorded; the catalogue then
    /// stays as it was.
    pub async fn discover(self: &Arc<Self>, server: &ServerName) -> Result<usize, DiscoverError> {
        if let Some(executable) = self.world().catalogue.executable(server) {
            self.ports.upstream.pin(server, executable);
        }
        let leases = self.own_leases(server).await;
        let offered = self.ports.upstream.discover(server, leases).await;
        self.return_own(server);
        let offer = Arc::new(offered?);
        let _writer = self.world_writer.lock().await;
        let settings = self.settings();
        let Some(overrides) = settings.servers.get(server) else { return Ok(0) };
        let world = self.world();
        let (catalogue, now) = (&world.catalogue, self.now());
        let mut changes = remit_catalogue::observe(catalogue, server, &offer.tools, overrides, now);
        for rejected in remit_catalogue::rejected(&offer.tools) {
            let (name, why) = (rejected.name, rejected.why);
            tracing::warn!(%server, name, why, "a tool definition was rejected");
        }
        if let (Some(executable), None) = (offer.executable, catalogue.executable(server)) {
            let (server, by) = (server.clone(), "configuration".to_owned());
            changes.push(CatalogueChange::Pinned { server, executable, by });
        }
        self.remember_offer(server, &offer);
        self.apply(&world, &changes, None).await?;
        Ok(changes.len())
    }

    /// Admits a tool whose definition has the digest that the person saw.
    ///
    /// Errors: no such tool, another definition meanwhile, or policies that would not fit it.
    pub async fn admit_tool(
        &self,
        actor: &Actor,
        tool: &ToolId,
        seen: Digest,
    ) -> Result<(), DiscoverError> {
        let _writer = self.world_writer.lock().await;
        let world = self.world();
        let change = remit_catalogue::admit(&world.catalogue, tool, seen, &actor.name, self.now())?;
        let mut next = Catalogue::clone(&world.catalogue);
        next.apply(&change);
        let groups = self.settings.load().group_names();
        World::compile(Arc::clone(&world.sources), Arc::new(next), &groups)?;
        self.apply(&world, &[change], Some(actor)).await
    }

    /// Admits the changed executable of `server`, if it is still the one that the person saw; `false`
    /// if nothing had changed.
    ///
    /// Errors: it is another by now, the server cannot be asked for another reason, or it cannot be
    /// recorded.
    pub async fn admit_executable(
        self: &Arc<Self>,
        actor: &Actor,
        server: &ServerName,
        seen: Digest,
    ) -> Result<bool, DiscoverError> {
        let found = match self.ports.upstream.discover(server, Vec::new()).await {
            Err(UpstreamError::ExecutableChanged { found, .. }) if found == seen => found,
            Err(why) => return Err(why.into()),
            Ok(_) => return Ok(false),
        };
        {
            let _writer = self.world_writer.lock().await;
            let by = actor.name.clone();
            let change = CatalogueChange::Pinned { server: server.clone(), executable: found, by };
            self.apply(&self.world(), &[change], Some(actor)).await?;
        }
        self.ports.upstream.pin(server, found);
        self.discover(server).await?;
        Ok(true)
    }

    /// Withdraws a tool: it is neither listed nor called until it is admitted again.
    ///
    /// Errors: no such tool, or it cannot be recorded.
    pub async fn withdraw_tool(&self, actor: &Actor, tool: &ToolId) -> Result<(), DiscoverError> {
        let _writer = self.world_writer.lock().await;
        let world = self.world();
        let change = remit_catalogue::withdraw(&world.catalogue, tool, &actor.name, self.now())?;
        self.apply(&world, &[change], Some(actor)).await
    }

    fn remember_offer(&self, server: &ServerName, offer: &Arc<Discovery>) {
        let mut offers = (*self.offers.load_full()).clone();
        let known = offers.insert(server.clone(), Arc::clone(offer));
        self.offers.store(Arc::new(offers));
        if known.is_none_or(|known| beside(&known) != beside(offer)) {
            self.announce(Change::Tools);
        }
    }

    /// Records the changes, waits for the last, then puts the new world in force.
    async fn apply(
        &self,
        world: &World,
        changes: &[CatalogueChange],
        actor: Option<&Actor>,
    ) -> Result<(), DiscoverError> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut catalogue = Catalogue::clone(&world.catalogue);
        let mut last = None;
        for change in changes {
            let mut record = draft::note(Kind::Catalogue, world.pins, change.name());
            record.clear.tool = change.tool().map(ToString::to_string);
            record.clear.actor = actor.map(|actor| actor.name.clone());
            let json = serde_json::to_string(change).unwrap_or_default();
            record.body.insert("change".to_owned(), json);
            last = Some(self.ports.ledger.append(record)?);
            catalogue.apply(change);
        }
        if let Some(accepted) = last {
            accepted.durable().await?;
        }
        self.enforce(world, Arc::new(catalogue));
        Ok(())
    }

    /// Puts a catalogue in force. Where the policies no longer compile against its schema the old
    /// snapshot stays, in which the changed tool's new arguments are unknown, and that is visible.
    pub(crate) fn enforce(&self, world: &World, catalogue: Arc<Catalogue>) {
        let groups = self.settings.load().group_names();
        let sources = Arc::clone(&world.sources);
        let next = World::compile(sources, Arc::clone(&catalogue), &groups).unwrap_or_else(|why| {
            tracing::error!(%why, "the policies do not fit the changed tools; the old schema stays");
            world.with_catalogue(catalogue, why.to_string())
        });
        // What is on disk is as it was.
        self.replace_world(World { refused: world.refused.clone(), ..next });
    }

    pub(crate) fn replace_world(&self, next: World) {
        self.world.store(Arc::new(next));
        for cell in self.cells() {
            // Under the lock, so that no call is decided by the old world and takes its ticket
            // after the epoch has moved.
            let _undecided = cell.lock();
            cell.move_epoch();
        }
        self.announce(Change::Tools);
    }
}

/// What a server offers beside its tools.
fn beside(offer: &Discovery) -> [&[String]; 3] {
    [&offer.resources, &offer.templates, &offer.prompts]
}
