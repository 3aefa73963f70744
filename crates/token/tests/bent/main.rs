#![cfg(test)]
//! Good requests, each bent in one way; the tables beside the tests say how, and what each is told.

mod assertions;
mod certificates;
mod key;
mod proofs;
