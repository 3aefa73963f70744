//! Streams: what a caller gets now, and again whenever that is no longer right.

use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use remit_engine::Change;
use remit_model::{Timestamp, Workload};
use remit_spiffe::Authority;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tonic::Status;

use crate::issue::{Caller, Name};
use crate::message::{JwtBundlesResponse, X509BundlesResponse, X509SvidResponse};

/// Between two looks of one stream, at least (R13): tasks that open and close in quick succession make
/// one message, not one each.
const PAUSE: Duration = Duration::from_millis(500);

/// The message for a caller of these names, and when it has to be renewed.
type Render<M> = fn(&Caller, &[Name], &Authority) -> Result<(M, Timestamp), Status>;

/// How long a stream sleeps at most before it looks again by itself.
const SLEEP: Duration = Duration::from_mins(5);

/// What a stream is about.
struct Feed<M> {
    render: Render<M>,
    /// Whether it depends on the names.
    of_names: bool,
}

/// What was sent last.
struct Sent {
    workload: Workload,
    names: Vec<Name>,
    authority: Arc<Authority>,
    renew: Timestamp,
}

/// One stream. Everything it sends follows from a fresh look at the process.
struct Watch<M> {
    caller: Caller,
    feed: Feed<M>,
    authority: watch::Receiver<Arc<Authority>>,
    changes: broadcast::Receiver<Change>,
    sent: Option<Sent>,
    looked: Timestamp,
}

/// `FetchX509SVID`
pub(crate) fn x509_svids(
    caller: Caller,
) -> impl Stream<Item = Result<X509SvidResponse, Status>> + Send {
    stream(caller, Feed { render: Caller::x509, of_names: true })
}

/// `FetchX509Bundles`
pub(crate) fn x509_bundles(
    caller: Caller,
) -> impl Stream<Item = Result<X509BundlesResponse, Status>> + Send {
    let render = |caller: &Caller, _: &[Name], authority: &Authority| {
        Ok((caller.x509_bundles(authority), Timestamp(u64::MAX)))
    };
    stream(caller, Feed { render, of_names: false })
}

/// `FetchJWTBundles`
pub(crate) fn jwt_bundles(
    caller: Caller,
) -> impl Stream<Item = Result<JwtBundlesResponse, Status>> + Send {
    let render = |caller: &Caller, _: &[Name], authority: &Authority| {
        Ok((caller.jwt_bundles(authority), Timestamp(u64::MAX)))
    };
    stream(caller, Feed { render, of_names: false })
}

fn stream<M: Send + 'static>(
    caller: Caller,
    feed: Feed<M>,
) -> impl Stream<Item = Result<M, Status>> + Send {
    let (authority, changes) = (caller.door.authority.clone(), caller.door.engine.changes());
    let watch = Watch { caller, feed, authority, changes, sent: None, looked: Timestamp(0) };
    // An error ends it: the client comes again, and is attested anew.
    unfold(Some(watch), async |watch| {
        let mut watch = watch?;
        let next = watch.next().await;
        let rest = next.is_ok().then_some(watch);
        Some((next, rest))
    })
}

impl<M> Watch<M> {
    /// The next message.
    ///
    /// Errors: the caller is no agent any more, or Remit ends.
    async fn next(&mut self) -> Result<M, Status> {
        while !self.is_due()? {
            self.something_happens().await?;
            let since = self.caller.now().since(self.looked);
            tokio::time::sleep(PAUSE.saturating_sub(since)).await;
            // What happened meanwhile is seen by the look that follows.
            self.changes = self.changes.resubscribe();
            self.looked = self.caller.now();
        }
        self.looked = self.caller.now();
        let (workload, names) = self.caller.named().await?;
        let authority = Arc::clone(&self.authority.borrow_and_update());
        let (message, renew) = (self.feed.render)(&self.caller, &names, &authority)?;
        self.sent = Some(Sent { workload, names, authority, renew });
        Ok(message)
    }

    /// Whether what was sent is no longer what would be sent, going by what was known of the process.
    fn is_due(&self) -> Result<bool, Status> {
        let Some(sent) = &self.sent else { return Ok(true) };
        let rotated = !Arc::ptr_eq(&sent.authority, &self.authority.borrow());
        if rotated || self.caller.now() >= sent.renew {
            return Ok(true);
        }
        let names = self.caller.names(&sent.workload)?;
        Ok(names.is_empty() || self.feed.of_names && names != sent.names)
    }

    async fn something_happens(&mut self) -> Result<(), Status> {
        let ended = || Status::unavailable("remit is ending");
        let renew = self.sent.as_ref().map_or(Timestamp(0), |sent| sent.renew);
        let wait = tokio::time::sleep(renew.since(self.caller.now()).min(SLEEP));
        tokio::pin!(wait);
        loop {
            tokio::select! {
                rotated = self.authority.changed() => return rotated.map_err(|_| ended()),
                change = self.changes.recv() => match change {
                    Ok(change) if !self.concerns(&change) => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => return Ok(()),
                    Err(RecvError::Closed) => return Err(ended()),
                },
                () = &mut wait => return Ok(()),
            }
        }
    }

    fn concerns(&self, change: &Change) -> bool {
        let Caller { door, peer } = &self.caller;
        match change {
            Change::Agents => true,
            Change::Task(task) => door.engine.was_opened_by(task, peer.uid()),
            Change::Tools | Change::Grants => false,
        }
    }
}
