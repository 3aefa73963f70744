//! Trust domains of others: their bundles, and their JWT-SVIDs (SPIFFE Federation).
//!
//! Which trust domain a bundle is of is said by whoever configured where it comes from, never by what
//! it holds. But what it holds may not say otherwise: nobody vouches for a trust domain that is not
//! theirs, least of all for ours.

use std::time::Duration;

use data_encoding::BASE64;
use remit_jose::{Algorithm, Jws, KeySet, Kind};
use remit_model::{Timestamp, Value};
use spiffe::TrustDomain;

use crate::chain::check_authority;
use crate::jwt::{MAX_TOKEN, check_audience, check_times, subject};
use crate::{Authority, BundleError, SvidError, Verified};

/// What a JWT-SVID of others looks like (JWT-SVID section 2), as far as its algorithms are known here.
static FOREIGN_SVID: Kind = Kind {
    name: "JWT-SVID",
    most: MAX_TOKEN,
    types: &["", "JWT", "JOSE"],
    types_in_words: "`JWT` or `JOSE`: expected a JWT-SVID, not any other kind of token",
    algorithms: &[Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256, Algorithm::Ps256],
    algorithms_in_words: "`ES256`, `ES384`, `RS256` or `PS256`, the only algorithms accepted",
    members: &["alg", "kid", "typ"],
    members_in_words: "`typ`, `alg` and `kid`",
};

/// What another trust domain's bundle endpoint says.
#[derive(Debug)]
pub struct ForeignBundle {
    /// The keys of its JWT-SVIDs; none, if it took them all back.
    pub keys: KeySet,
    /// How long to wait before it is asked again, if it says so.
    pub refresh: Option<Duration>,
}

impl ForeignBundle {
    /// Reads the bundle of `domain`, beside `ours` as it is.
    ///
    /// Errors: it is no bundle, or holds a key of another trust domain's or of ours.
    pub fn read(text: &str, domain: &str, ours: &Authority) -> Result<Self, BundleError> {
        let bundle = Value::parse(text).map_err(|why| BundleError::Form(why.to_string()))?;
        let keys = KeySet::published(&bundle, &["jwt-svid"])
            .map_err(|why| BundleError::Form(why.to_string()))?;
        let mine = ours.generations().iter().map(|one| one.jwt.public().thumbprint());
        let theirs = keys.thumbprints();
        if domain == ours.domain().as_str() || mine.into_iter().any(|key| theirs.contains(&key)) {
            return Err(BundleError::Ours);
        }
        let listed = match bundle.member("keys") {
            Some(Value::List(listed)) => listed.as_slice(),
            _ => &[],
        };
        for certificate in listed.iter().filter_map(certificate) {
            check_authority(&certificate?, domain, ours.domain())?;
        }
        let refresh = match bundle.member("spiffe_refresh_hint") {
            Some(Value::Number(seconds)) => seconds.parse().ok().map(Duration::from_secs),
            _ => None,
        };
        Ok(Self { keys, refresh })
    }
}

/// The certificate of a key for X.509-SVIDs, in DER.
fn certificate(key: &Value) -> Option<Result<Vec<u8>, BundleError>> {
    let usage = key.member("use").and_then(Value::as_text);
    let Some(Value::List(chain)) = key.member("x5c").filter(|_| usage == Some("x509-svid")) else {
        return None;
    };
    let der = chain.first().and_then(Value::as_text);
    let der = der.and_then(|text| BASE64.decode(text.as_bytes()).ok());
    Some(der.ok_or_else(|| BundleError::Form("an `x5c` is no certificate in base64".to_owned())))
}

/// Whose JWT-SVID `token` is, if one of the `keys` of `domain` signed it and it is meant for `audience`.
///
/// Errors: it is not a JWT-SVID of that trust domain for that audience; the text says why.
pub fn verify_foreign(
    token: &str,
    (domain, keys): (&str, &KeySet),
    audience: &str,
    now: Timestamp,
) -> Result<Verified, SvidError> {
    let jws = Jws::read(token, &FOREIGN_SVID)?;
    if jws.key_id().is_none() {
        return Err(SvidError::NoKeyId);
    }
    let claims = keys.verified(&jws)?;
    let domain = TrustDomain::new(domain)?;
    let id = subject(&claims, &domain)?;
    check_audience(&claims, audience)?;
    check_times(&claims, None, now)?;
    Ok(Verified { id, claims })
}

#[cfg(test)]
mod tests {
    use remit_testkit::SeededEntropy;
    use serde_json::json;

    use super::*;
    use crate::tests::authority_of;
    use crate::{SKEW, SpiffeId, agent_id};

    const NOW: Timestamp = Timestamp(1_795_471_200_000);

    fn bundle(of: &Authority) -> serde_json::Value {
        serde_json::from_str(&of.bundle(NOW)).unwrap()
    }

    fn read(bundle: &serde_json::Value, ours: &Authority) -> Result<ForeignBundle, String> {
        ForeignBundle::read(&bundle.to_string(), "theirs.example", ours)
            .map_err(|it| it.to_string())
    }

    #[test]
    fn a_bundle_verifies_the_svids_of_its_own_trust_domain_alone() {
        let (theirs, ours) = (authority_of("theirs.example", 1), authority_of("ours.example", 2));
        let read = read(&bundle(&theirs), &ours).unwrap();
        assert_eq!(read.keys.thumbprints().len(), 1, "the key of certificates is none of tokens");
        assert_eq!(read.refresh, Some(Duration::from_mins(5)));
        let bot = agent_id(theirs.domain(), &"bot".parse().unwrap()).unwrap();
        let until = NOW.after(Duration::from_mins(5));
        let sign = |id: &SpiffeId| {
            let audience = ["us".to_owned()];
            theirs.jwt((id, &audience), until, NOW, &SeededEntropy::new(3)).unwrap().token
        };
        let verify = |token: &str, domain: &str, audience: &str, now| {
            verify_foreign(token, (domain, &read.keys), audience, now)
        };
        let token = sign(&bot);
        assert_eq!(verify(&token, "theirs.example", "us", NOW).unwrap().id, bot);
        assert_eq!(verify(&token, "theirs.example", "them", NOW), Err(SvidError::Audience));
        let late = verify(&token, "theirs.example", "us", until.after(SKEW));
        assert_eq!(late, Err(SvidError::Expired { at: until }));
        // Their key, our name.
        let claimed = SpiffeId::new("spiffe://ours.example/agent/bot").unwrap();
        let claimed = verify(&sign(&claimed), "theirs.example", "us", NOW);
        assert_eq!(claimed, Err(SvidError::Foreign));
        assert_eq!(verify(&token, "ours.example", "us", NOW), Err(SvidError::Foreign));
    }

    #[test]
    fn nobody_vouches_for_another_trust_domain() {
        let (theirs, ours) = (authority_of("theirs.example", 1), authority_of("ours.example", 2));
        let good = bundle(&theirs);
        let mut mixed = good.clone();
        let list = mixed["keys"].as_array_mut().unwrap();
        list.extend(bundle(&ours)["keys"].as_array().unwrap().clone());
        let mut stolen = good.clone();
        stolen["keys"][0] = bundle(&ours)["keys"][0].clone();
        let mut broken = good.clone();
        broken["keys"][1]["x5c"] = json!(["AA=="]);
        let mut bare = good.clone();
        bare["keys"][1]["x5c"] = json!([7]);
        let impostor = authority_of("ours.example", 4);
        for (about, bundle, why) in [
            ("ours", bundle(&ours), "our own trust domain"),
            ("ours under other keys", bundle(&impostor), "our own trust domain"),
            ("ours beside theirs", mixed, "our own trust domain"),
            ("our key of tokens", stolen, "our own trust domain"),
            ("a third one's", bundle(&authority_of("third.example", 5)), "than `theirs.example`"),
            ("no certificate", broken, "is not X.509"),
            ("no base64", bare, "no certificate in base64"),
            ("no bundle", json!({}), "no list `keys`"),
        ] {
            let error = read(&bundle, &ours).unwrap_err();
            assert!(error.contains(why), "{about}: {error}");
        }
        let none = read(&json!({ "keys": [] }), &ours).unwrap();
        assert!(none.keys.thumbprints().is_empty() && none.refresh.is_none(), "all taken back");
        let claimed = ForeignBundle::read(&good.to_string(), "ours.example", &ours);
        assert_eq!(claimed.unwrap_err(), BundleError::Ours);
    }
}
