//! Time limits of connections that do not blame the client for the server's own standing still.
//!
//! A process that was stopped and goes on finds its timers due before it has looked at its sockets,
//! and would close a connection whose request has been there all along. So a timer that is due lets
//! the sockets be looked at once more; what arrived in time then counts as that.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use tokio::task::yield_now;

/// Timers on tokio's clock that look twice.
#[derive(Clone, Debug)]
pub(crate) struct Patience;

/// One of them.
struct Wait {
    due: Pin<Box<tokio::time::Sleep>>,
    /// Resolves once the sockets were looked at after it was due.
    looked: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
}

impl Timer for Patience {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(Wait { due: Box::pin(tokio::time::sleep(duration)), looked: None })
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let due = tokio::time::sleep_until(deadline.into());
        Box::pin(Wait { due: Box::pin(due), looked: None })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<Wait>() {
            Some(wait) => {
                let wait = wait.get_mut();
                wait.due.as_mut().reset(deadline.into());
                wait.looked = None;
            }
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

impl Sleep for Wait {}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.looked.is_none() {
            ready!(self.due.as_mut().poll(context));
        }
        // A task that yields is run again after the sockets were asked.
        self.looked.get_or_insert_with(|| Box::pin(yield_now())).as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_over(wait: &mut Pin<Box<dyn Sleep>>) -> bool {
        tokio::select! {
            biased;
            () = wait => true,
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test]
    async fn a_timer_that_is_due_lets_the_sockets_be_looked_at_first() {
        let mut wait = Patience.sleep(Duration::from_millis(5));
        assert!(!is_over(&mut wait).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!is_over(&mut wait).await, "nobody has looked since it was due");
        yield_now().await;
        assert!(is_over(&mut wait).await);
        Patience.reset(&mut wait, Patience.now() + Duration::from_mins(1));
        yield_now().await;
        assert!(!is_over(&mut wait).await);
    }
}
