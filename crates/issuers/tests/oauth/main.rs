#![cfg(test)]
//! Access tokens of an authorization server that other people wrote (Authlib), and of some that misbehave.

mod attacks;
mod connecting;
mod grants;
mod peer;
mod people;
mod stand;
