//! The policies that come with Remit.

/// The starter pack: file name and text of each file under `policies/starter/`.
///
/// Safe by default on tools nobody has described: what is unknown waits for a person.
pub const STARTER: &[(&str, &str)] = &[
    ("reads.cedar", include_str!("../../../policies/starter/reads.cedar")),
    ("effects.cedar", include_str!("../../../policies/starter/effects.cedar")),
    ("flows.cedar", include_str!("../../../policies/starter/flows.cedar")),
    ("tasks.cedar", include_str!("../../../policies/starter/tasks.cedar")),
];
