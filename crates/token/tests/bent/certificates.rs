//! Grants that are bound to a certificate, on connections that have it, another, or none.

use remit_jose::CertificateThumbprint;
use remit_model::Possession;
use remit_token::{Binding, Certificate, TokenError, Uncertified};

use crate::proofs::{Bench, NOW, shown};

fn certificate(agent: Option<&str>, der: &[u8]) -> Certificate {
    let id = format!("spiffe://example.org/agent/{}", agent.unwrap_or("bot/task/x"));
    let agents = agent.map(|name| name.parse().unwrap()).into_iter().collect();
    Certificate { id, agents, named: None, thumbprint: CertificateThumbprint::of(der) }
}

#[test]
fn a_grant_that_is_bound_to_a_certificate_is_believed_beside_it_and_nowhere_else() {
    let bench = Bench::new();
    let own = certificate(Some("bot"), b"first");
    let grant = bench.mint(Binding::Certificate(own.thumbprint), None);
    let renewed = certificate(Some("bot"), b"second");
    let (other, run) = (certificate(Some("boss"), b"third"), certificate(None, b"fourth"));
    let at = |certificate, proof| {
        let shown = remit_token::Presented { certificate, ..shown(&grant, proof) };
        bench.verifier.authenticate(&shown, &bench.proofs, NOW).map(|holder| holder.possession)
    };
    assert_eq!(at(Ok(&own), None), Ok(Possession::Mtls));
    assert_eq!(at(Ok(&own), Some("a proof")), Err(TokenError::Certificate));
    assert_eq!(at(Ok(&renewed), None), Err(TokenError::OtherCertificate));
    assert_eq!(at(Ok(&other), None), Err(TokenError::OtherAgent));
    assert_eq!(at(Ok(&run), None), Err(TokenError::OtherAgent));
    let nobody = certificate(None, b"first");
    assert_eq!(at(Ok(&nobody), None), Err(TokenError::OtherAgent), "it is that agent's no more");
    for why in [
        Uncertified::None,
        Uncertified::Expired { at: NOW },
        Uncertified::Withdrawn,
        Uncertified::Unconfirmed,
    ] {
        let error = at(Err(why), None).unwrap_err();
        assert_eq!(error, TokenError::Uncertified(why));
        assert!(error.to_string().contains(&why.to_string()), "{error}");
        assert_eq!(error.code(), "invalid_token");
    }
}

/// A certificate neither helps nor hurts a grant that is bound to something else.
#[test]
fn a_certificate_stands_in_for_no_proof() {
    let bench = Bench::new();
    let own = certificate(Some("bot"), b"first");
    for (which, expected) in [("bearer", Ok(Possession::Bearer)), ("bound", Err(TokenError::Bound))]
    {
        let grant = bench.grant(which);
        let shown = remit_token::Presented { certificate: Ok(&own), ..shown(&grant, None) };
        let told = bench.verifier.authenticate(&shown, &bench.proofs, NOW);
        assert_eq!(told.map(|holder| holder.possession), expected, "{which}");
    }
}
