#![cfg(test)]
//! The verbs against behaving fakes: each promise as an attack that would succeed if it were broken.

mod approvals;
mod attacks;
mod bench;
mod consent;
mod containment;
mod declare;
mod durability;
mod foreseen;
mod handoff;
mod identity;
mod inherit;
mod lend;
mod lifecycle;
mod overheard;
mod reload;
mod renew;
mod secrets;
mod stored;
mod tools;
mod walk;
