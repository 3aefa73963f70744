#![cfg(test)]
//! The doors from outside: raw messages in, raw messages out, on an engine with fakes behind it.

mod bench;
mod guard;
mod lines;
mod lists;
mod questions;
mod sessions;
mod stateless;
mod streams;
mod tcp;
