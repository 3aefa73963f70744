//! `[token]` and `[svid]`: how long keys sign, and what they sign lives.

use std::time::Duration;

use remit_token::MAX_LIFETIME;
use serde::Deserialize;

use super::Period;
use crate::fail::Fail;

/// The SVIDs that agents get.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Svid {
    /// How long one lives.
    pub(crate) lifetime: Period,
    /// How often the keys that sign them are replaced.
    pub(crate) rotate: Period,
}

impl Default for Svid {
    fn default() -> Self {
        let (lifetime, rotate) = (Duration::from_mins(10), Duration::from_hours(24));
        Self { lifetime: Period(lifetime), rotate: Period(rotate) }
    }
}

/// The grants that agents get.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Token {
    /// How often the key that signs them is replaced.
    pub(crate) rotate: Period,
}

impl Default for Token {
    fn default() -> Self {
        Self { rotate: Period(MAX_ROTATION) }
    }
}

impl Token {
    /// What a key signed counts for an hour after it was replaced, so only few overlap.
    pub(super) fn check(&self) -> Result<(), Fail> {
        if !(MAX_LIFETIME..=MAX_ROTATION).contains(&self.rotate.0) {
            return Err(Fail::new("[token] needs a `rotate` from 1h to 90 days"));
        }
        Ok(())
    }
}

/// The longest an SVID may live: nothing takes it back before (promise R4).
const MAX_SVID: Duration = Duration::from_hours(1);
/// The longest that keys may sign.
const MAX_ROTATION: Duration = Duration::from_hours(24 * 90);

impl Svid {
    /// Whatever keys have signed is over before they are: they live twice as long as they sign.
    pub(super) fn check(&self) -> Result<(), Fail> {
        let (lifetime, rotate) = (self.lifetime.0, self.rotate.0);
        if !(Duration::from_secs(1)..=MAX_SVID).contains(&lifetime) {
            return Err(Fail::new("[svid] needs a `lifetime` from 1s to 1h"));
        }
        if !(lifetime * 2..=MAX_ROTATION).contains(&rotate) {
            return Err(Fail::new("[svid] needs a `rotate` from twice its `lifetime` to 90 days"));
        }
        Ok(())
    }
}
