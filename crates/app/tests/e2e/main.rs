#![cfg(test)]
//! Remit between servers and clients that other people wrote: the built binary, real processes, real sockets.
//!
//! `e2e/setup` installs the peers; `e2e/README.md` says how each is driven. Every test has a state
//! directory and a running `remit serve` of its own ([`stand`]) and talks to it as its users do:
//! through the command line, and through unmodified MCP clients ([`peers`]).

mod agents;
mod approvals;
mod consent;
mod crash;
mod demo;
mod departures;
mod disk;
mod dojo;
mod doors;
mod drift;
mod elsewhere;
mod eras;
mod foreseen;
mod grants;
mod input;
mod kills;
mod lend;
mod misbehaviour;
mod operators;
mod passage;
mod peers;
mod policies;
mod prompts;
mod proof;
mod reconcile;
mod refusals;
mod run;
mod rust_sdk;
mod secrets;
mod servers;
mod stand;
mod stored;
mod streams;
mod succession;
mod svids;
mod thief;
mod watcher;
mod wire;
mod witnesses;
