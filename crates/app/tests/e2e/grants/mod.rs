//! Grants that are bound to a key of their holder, and the token endpoint that gives them out.

mod bound;
mod holder;
mod tokens;
