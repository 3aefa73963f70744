//! The grant of a run, and what proves that it is ours (RFC 9449).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use remit_jose::{SigningKey, draw_es256, draw_id};
use remit_model::{Clock, Digest, TaskId, Timestamp};
use remit_operator::wire::{Granted, Wanted};
use serde::Serialize;

use crate::client::Client;
use crate::environment::{SystemClock, SystemEntropy};
use crate::fail::Fail;

/// Holds the grant and its key, and renews it in time.
pub(super) struct Holder {
    key: SigningKey,
    client: Client,
    clock: SystemClock,
    task: TaskId,
    /// Where the grant is accepted, with nothing but the origin and `/mcp`.
    pub(super) endpoint: String,
    held: tokio::sync::Mutex<Held>,
    nonce: Mutex<Option<String>>,
}

#[derive(Clone)]
struct Held {
    token: String,
    renew: Timestamp,
}

#[derive(Serialize)]
struct Proof<'a> {
    jti: String,
    htm: &'a str,
    htu: &'a str,
    iat: u64,
    ath: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
}

/// A new key, which nobody else ever has and which ends with this process.
pub(super) fn holder_key() -> Result<SigningKey, Fail> {
    Ok(SigningKey::from_pkcs8(&draw_es256(&SystemEntropy)?)?)
}

impl Holder {
    /// The holder of what was granted.
    pub(super) fn new(key: SigningKey, client: Client, granted: Granted) -> Self {
        let clock = SystemClock::new();
        let (task, endpoint) = (granted.task.clone(), granted.endpoint.clone());
        let held = tokio::sync::Mutex::new(Held::of(granted, clock.now()));
        Self { key, client, clock, task, endpoint, held, nonce: Mutex::default() }
    }

    /// The grant, a new one if the old one runs out soon. If there is none to be had, the old one: what
    /// Remit says to that is the answer.
    pub(super) async fn token(&self) -> String {
        let mut held = self.held.lock().await;
        if self.clock.now() >= held.renew {
            let wanted = Wanted { jkt: Some(self.key.public().thumbprint()) };
            let path = format!("/v1/tasks/{}/grant", self.task);
            match self.client.post(&path, &wanted).await {
                Ok(granted) => *held = Held::of(granted, self.clock.now()),
                Err(why) => tracing::debug!(%why, "the grant could not be renewed"),
            }
        }
        held.token.clone()
    }

    /// A proof for one request to `url`, which is without a query, with `token`.
    pub(super) fn proof(&self, method: &str, url: &str, token: &str) -> Result<String, Fail> {
        let proof = Proof {
            jti: draw_id(&SystemEntropy),
            htm: method,
            htu: url,
            iat: self.clock.now().as_secs(),
            ath: BASE64URL_NOPAD.encode(&Digest::of(token.as_bytes()).0),
            nonce: self.nonce.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        };
        Ok(self.key.sign_showing_key("dpop+jwt", &proof)?)
    }

    /// Remembers the nonce that further proofs should hold.
    pub(super) fn remember(&self, nonce: &str) {
        let mut known = self.nonce.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(nonce.to_owned());
    }
}

impl Held {
    fn of(granted: Granted, now: Timestamp) -> Self {
        // Long before it ends, so that one that is refused can be tried again.
        let renew = now.after(Duration::from_secs(granted.seconds) / 2);
        Self { token: granted.grant, renew }
    }
}
