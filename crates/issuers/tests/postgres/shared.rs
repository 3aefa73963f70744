//! One server for all tests of a run, and what only they look at.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::server::Server;

static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

impl Server {
    /// The one that all tests of a run share while any of them needs it.
    pub(crate) async fn shared() -> Arc<Self> {
        let started = tokio::task::spawn_blocking(|| {
            let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
            shared.upgrade().unwrap_or_else(|| {
                let server = Arc::new(Self::start());
                *shared = Arc::downgrade(&server);
                server
            })
        });
        started.await.unwrap()
    }

    /// One of a test's own, whose locks keep nobody else waiting.
    pub(crate) async fn start_apart() -> Self {
        tokio::task::spawn_blocking(Self::start).await.unwrap()
    }

    /// Everything the server logged, every statement among it.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// The certificate of its authority.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.path().join("server.crt")
    }
}
