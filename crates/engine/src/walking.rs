//! Work that runs where it is awaited, and to its end in any case.
//!
//! A client that hangs up ends the reply, not the record. Giving each call a task of its own would
//! see to that, too, and cost a wake of another thread for every call that nobody hangs up on.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use remit_ports::BoxFuture;
use tokio::runtime::Handle;

/// Something under way that ends in a `T`. It runs where it is awaited; dropped before its end, it
/// goes on by itself in a task of its own: dropping gives up the answer, not the work.
#[must_use = "it begins when it is awaited or dropped"]
pub struct Walking<T: Send + 'static>(Option<BoxFuture<'static, T>>);

impl<T: Send + 'static> Walking<T> {
    /// What `walk` does.
    pub fn new(walk: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Some(Box::pin(walk)))
    }

    /// The same in a task of its own, for whoever may be long about awaiting it.
    pub fn on_its_own(mut self) -> Self {
        match (self.0.take(), Handle::try_current()) {
            (Some(walk), Ok(runtime)) => {
                let task = runtime.spawn(walk);
                Self::new(async move {
                    match task.await {
                        Ok(end) => end,
                        // It panicked, or the process is ending: there is no end to tell.
                        Err(_) => std::future::pending().await,
                    }
                })
            }
            (walk, _) => Self(walk),
        }
    }
}

impl<T: Send + 'static> Future for Walking<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        // Taken out, so that what panicked is not polled again.
        let Some(mut walk) = self.0.take() else { return Poll::Pending };
        let polled = walk.as_mut().poll(context);
        if polled.is_pending() {
            self.0 = Some(walk);
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Walking<T> {
    fn drop(&mut self) {
        // Without a runtime the process is ending; the next start settles what is open.
        if let (Some(walk), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(walk);
        }
    }
}

impl<T: Send + 'static> fmt::Debug for Walking<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Walking(…)")
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::{mpsc, oneshot};

    use super::*;

    /// Work that says `begun`, waits to be let go, and says `ended`.
    fn work() -> (Walking<u8>, oneshot::Sender<()>, mpsc::UnboundedReceiver<&'static str>) {
        let ((go, gone), (says, said)) = (oneshot::channel(), mpsc::unbounded_channel());
        let walk = Walking::new(async move {
            says.send("begun").unwrap();
            gone.await.unwrap();
            says.send("ended").unwrap();
            7
        });
        (walk, go, said)
    }

    #[tokio::test]
    async fn what_is_dropped_half_way_still_ends() {
        let (mut walk, go, mut said) = work();
        tokio::select! {
            biased;
            _ = &mut walk => panic!("it waits to be let go"),
            () = std::future::ready(()) => {}
        }
        drop(walk);
        go.send(()).unwrap();
        assert_eq!((said.recv().await, said.recv().await), (Some("begun"), Some("ended")));
    }

    #[tokio::test]
    async fn what_was_never_awaited_ends_too() {
        let (walk, go, mut said) = work();
        drop(walk);
        go.send(()).unwrap();
        assert_eq!((said.recv().await, said.recv().await), (Some("begun"), Some("ended")));
    }

    #[tokio::test]
    async fn on_its_own_it_goes_on_unawaited_and_is_still_awaited_for_its_end() {
        let (walk, go, mut said) = work();
        let walk = walk.on_its_own();
        go.send(()).unwrap();
        assert_eq!((said.recv().await, said.recv().await), (Some("begun"), Some("ended")));
        assert_eq!(walk.await, 7);
    }
}
