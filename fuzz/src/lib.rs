//! The fuzz targets: parsers of bytes from outside, each with what must hold of whatever it accepts;
//! that it does not panic goes without saying.
//!
//! Two run them. Every test run holds each over its seeds and over what comes of them by a few edits,
//! the same each time (`tests/smoke.rs`): what a merge waits for must not depend on luck, and needs no second
//! build of everything. `cargo xtask fuzz` lets libFuzzer look for more, guided by what is reached.
//!
//! Inputs are plain bytes, so that a seed is a message as it stands on a wire and a finding can be read.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this is a test: to panic is how a target says what does not hold"
)]

#[path = "../../crates/app/src/config.rs"]
#[expect(dead_code, unused_imports, reason = "the program uses more of it")]
mod config;
#[path = "../../crates/app/src/environment.rs"]
#[expect(dead_code, reason = "as above")]
mod environment;
#[path = "../../crates/app/src/fail.rs"]
#[expect(dead_code, reason = "as above")]
mod fail;
mod fixture;
mod input;

use input::Input;

/// A parser, and what must hold of it.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called; its seeds are in `fuzz/seeds` under that name.
    pub name: &'static str,
    hold: fn(&[u8]),
}

impl Target {
    /// The target called `name`, if there is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.iter().find(|it| it.name == name).copied()
    }

    /// Reads `data`.
    ///
    /// # Panics
    ///
    /// What must hold does not.
    pub fn hold(&self, data: &[u8]) {
        (self.hold)(data);
    }
}

/// Calls the macro `$then` with the names of all targets.
#[macro_export]
macro_rules! each_target {
    ($then:ident) => {
        $then! {
            client definition edit elsewhere events frame headers issuers journal lines meta note policy
            possession proof provenance record resources results scan secrets settings svid tile token
            value wire
        }
    };
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(mod $name;)*

        /// All of them.
        pub const TARGETS: &[Target] = &[$(Target {
            name: stringify!($name),
            hold: |data| $name::hold(Input::of(data)),
        }),*];
    };
}

each_target!(targets);
