#![no_main]
//! What libFuzzer drives: the target that `REMIT_FUZZ_TARGET` names.

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use remit_fuzz::{TARGETS, Target};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let names: Vec<&str> = TARGETS.iter().map(|it| it.name).collect();
    #[expect(clippy::disallowed_methods, reason = "the arguments are libFuzzer's")]
    let name = std::env::var("REMIT_FUZZ_TARGET").unwrap_or_default();
    Target::named(&name).unwrap_or_else(|| {
        panic!("expected one of {} in REMIT_FUZZ_TARGET, found {name:?}", names.join(", "))
    })
});

fuzz_target!(|data: &[u8]| TARGET.hold(data));
