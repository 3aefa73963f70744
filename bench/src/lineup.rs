//! What is measured side by side: the server directly, the bare proxy, each Remit in each setup,
//! and peers that run already, all in front of one server.

use std::path::Path;

use crate::child::Running;
use crate::cli::{Binary, Lines, Peer};
use crate::fail::Fail;
use crate::process::Process;
use crate::say;
use crate::stand::{Setup, Stand};
use crate::target::Target;
use crate::upstream::TOOL;

/// The name of the row to which others are held.
pub(crate) const DIRECT: &str = "direct";
/// The other one.
pub(crate) const PROXY: &str = "bare proxy";

/// One row.
#[derive(Debug)]
pub(crate) struct Place {
    /// Its name.
    pub(crate) name: String,
    /// Where its load goes.
    pub(crate) target: Target,
    /// Its memory before any load, in KiB.
    pub(crate) at_rest: Option<u64>,
    /// The Remit behind it, parked while others are measured.
    stand: Option<Stand>,
}

/// All rows, and what they need to run.
#[derive(Debug)]
pub(crate) struct Lineup {
    /// The rows.
    pub(crate) places: Vec<Place>,
    _servers: [Running; 2],
}

impl Lineup {
    /// Starts everything.
    ///
    /// Errors: something does not start.
    pub(crate) async fn up(lines: &Lines) -> Result<Self, Fail> {
        let upstream = Running::own(&["upstream"]).await?;
        let proxy = Running::own(&["proxy", "--upstream", &upstream.said]).await?;
        let mut places = vec![own(DIRECT, &upstream)?, own(PROXY, &proxy)?];
        for Binary { name, path } in &lines.remit {
            for setup in &lines.setup {
                say::progress(&format!("setting up {name}, {setup}"));
                places.push(Place::remit(name, path, *setup, &upstream.said).await?);
            }
        }
        for peer in &lines.peer {
            places.push(Place::new(&peer.name, target(peer)?, None)?);
        }
        Ok(Self { places, _servers: [upstream, proxy] })
    }

    /// Ends every Remit as its operator would, so that it writes what it writes at its end.
    ///
    /// Errors: one does not end well.
    pub(crate) async fn end(self) -> Result<(), Fail> {
        for place in self.places {
            place.unpark()?;
            if let Some(stand) = place.stand {
                stand.end().await?;
            }
        }
        Ok(())
    }
}

fn own(name: &str, running: &Running) -> Result<Place, Fail> {
    let target = Target::new(&format!("http://{}/mcp", running.said), TOOL)?;
    Place::new(name, target.watching(running.process), None)
}

fn target(peer: &Peer) -> Result<Target, Fail> {
    let target = Target::new(&peer.url, &peer.tool)?;
    Ok(Target { tokens: peer.token.iter().cloned().collect(), process: peer.process, ..target })
}

impl Place {
    async fn remit(name: &str, binary: &Path, setup: Setup, upstream: &str) -> Result<Self, Fail> {
        let stand = Stand::up(binary, setup, upstream).await?;
        let place = Self::new(&format!("{name}, {setup}"), stand.target()?, Some(stand))?;
        place.park()?;
        Ok(place)
    }

    fn new(name: &str, target: Target, stand: Option<Stand>) -> Result<Self, Fail> {
        let at_rest = target.process.map(Process::resident).transpose()?;
        Ok(Self { name: name.to_owned(), target, at_rest, stand })
    }

    /// Gives it new tasks, if it is to have some in each round.
    ///
    /// Errors: the Remit behind it refuses.
    pub(crate) async fn renew(&mut self) -> Result<(), Fail> {
        if let Some(stand) = &mut self.stand
            && stand.renew().await?
        {
            self.target = stand.target()?;
        }
        Ok(())
    }

    /// Stops the Remit behind it where it is, so that it costs nothing while others are measured.
    ///
    /// Errors: it is gone.
    pub(crate) fn park(&self) -> Result<(), Fail> {
        self.stand.as_ref().map_or(Ok(()), |stand| stand.process().park())
    }

    /// Lets it go on.
    ///
    /// Errors: it is gone.
    pub(crate) fn unpark(&self) -> Result<(), Fail> {
        self.stand.as_ref().map_or(Ok(()), |stand| stand.process().unpark())
    }
}
