//! The policies that come with Remit.

/// The pack `contained`: file name and text of each file under `policies/contained/`.
///
/// Safe by default on tools nobody has described: what is unknown waits for a person.
pub const CONTAINED: &[(&str, &str)] = &[
    ("reads.cedar", include_str!("../../../policies/contained/reads.cedar")),
    ("effects.cedar", include_str!("../../../policies/contained/effects.cedar")),
    ("flows.cedar", include_str!("../../../policies/contained/flows.cedar")),
    ("secrets.cedar", include_str!("../../../policies/contained/secrets.cedar")),
    ("tasks.cedar", include_str!("../../../policies/contained/tasks.cedar")),
];
