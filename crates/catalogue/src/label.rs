//! The label of what a tool returns.

use remit_model::tool::Trust;
use remit_model::{Integrity, Label, Profile, ServerName};

/// The label of what a tool returns, by its profile alone. The caller joins the labels of the
/// arguments: an echo launders nothing.
pub fn returned_label(profile: &Profile, server: &ServerName) -> Label {
    let integrity = match profile.returns.value {
        Trust::Trusted => Integrity::Trusted,
        Trust::Untrusted => Integrity::untrusted(server.as_str()),
    };
    Label { confidentiality: profile.sensitivity.value, integrity, ..Label::default() }
}

#[cfg(test)]
mod tests {
    use remit_model::Confidentiality;

    use super::*;
    use crate::definition::Definition;
    use crate::infer::infer;
    use crate::overrides::Overrides;

    #[test]
    fn an_untrusted_result_names_its_server_and_carries_its_sensitivity() {
        let text = r#"{"name":"get_secret","inputSchema":{"type":"object"}}"#;
        let mut profile = infer(&Definition::parse(text).unwrap(), "box", &Overrides::default());
        let server: ServerName = "box".parse().unwrap();
        let label = returned_label(&profile, &server);
        assert_eq!(label.integrity, Integrity::untrusted("box"));
        assert_eq!(label.confidentiality, Confidentiality::Restricted);
        profile.returns.value = Trust::Trusted;
        assert_eq!(returned_label(&profile, &server).integrity, Integrity::Trusted);
    }
}
