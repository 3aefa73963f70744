//! The one reader of tokens.

use data_encoding::BASE64URL_NOPAD;
use remit_model::Value;

use crate::{Algorithm, JwkError, JwsError, PublicKey};

/// Header members that would let a token choose its own key or meaning, to be named in errors.
const NOTABLE: [(&str, &str); 10] = [
    ("b64", "`b64`, which changes what is signed"),
    ("crit", "`crit`, which demands an extension"),
    ("cty", "`cty`, as nested tokens do"),
    ("jku", "`jku`, which brings its own key set"),
    ("jwk", "`jwk`, which brings its own key"),
    ("kid", "`kid`, which names a key of somebody else's"),
    ("x5c", "`x5c`, which brings its own certificates"),
    ("x5t", "`x5t`, which names a certificate"),
    ("x5t#S256", "`x5t#S256`, which names a certificate"),
    ("x5u", "`x5u`, which brings its own certificates"),
];

/// What one kind of token looks like. The reader holds it before it sees a token.
#[derive(Debug)]
pub struct Kind {
    /// What errors call it.
    pub name: &'static str,
    /// The most bytes that are read (R13).
    pub most: usize,
    /// The values of `typ` that mean it, each as it stands there; `""` stands for none at all.
    pub types: &'static [&'static str],
    /// The same in words, for errors.
    pub types_in_words: &'static str,
    /// How it may be signed.
    pub algorithms: &'static [Algorithm],
    /// The same in words, for errors.
    pub algorithms_in_words: &'static str,
    /// All members that its header may have.
    pub members: &'static [&'static str],
    /// The same in words, for errors.
    pub members_in_words: &'static str,
}

/// A token of some kind whose signature has not been looked at: only its header can be read.
#[derive(Debug)]
pub struct Jws<'a> {
    kind: &'static Kind,
    header: Value,
    algorithm: Algorithm,
    signed: &'a str,
    claims: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Reads a token in compact form and its header.
    ///
    /// Errors: it is not of `kind`; the text never repeats any of it.
    pub fn read(token: &'a str, kind: &'static Kind) -> Result<Self, JwsError> {
        if token.len() > kind.most {
            return Err(JwsError::TooLarge { of: kind.name, got: token.len(), most: kind.most });
        }
        let count = JwsError::Malformed("it has another number of parts");
        let (signed, signature) = token.rsplit_once('.').ok_or(count.clone())?;
        let (header, claims) =
            signed.split_once('.').filter(|(_, claims)| !claims.contains('.')).ok_or(count)?;
        let header = part(header, "its first part is not a JSON object")?;
        let algorithm = check_header(&header, kind)?;
        let signature = BASE64URL_NOPAD
            .decode(signature.as_bytes())
            .map_err(|_| JwsError::Malformed("its third part is not base64url"))?;
        Ok(Self { kind, header, algorithm, signed, claims, signature })
    }

    /// What its kind is called.
    pub(crate) fn kind(&self) -> &'static str {
        self.kind.name
    }

    /// How its header says that it was signed: with one of its kind's algorithms.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The `typ` of its header, `""` if there is none.
    pub fn typ(&self) -> &str {
        self.header.member("typ").and_then(Value::as_text).unwrap_or_default()
    }

    /// The `kid` of its header. It may name a key and nothing else.
    pub fn key_id(&self) -> Option<&str> {
        self.header.member("kid").and_then(Value::as_text)
    }

    /// The key that its header brings, where its kind allows that.
    ///
    /// Errors: there is none, or it is not one that is accepted.
    pub fn own_key(&self) -> Result<PublicKey, JwkError> {
        let jwk = self.header.member("jwk");
        PublicKey::from_jwk(jwk.ok_or(JwkError::Form("the header holds no `jwk`"))?)
    }

    /// The text of a claim that nobody has verified: good for finding the key to verify it with, and
    /// for nothing else.
    pub fn unverified(&self, name: &str) -> Option<String> {
        self.claims().ok()?.member(name).and_then(Value::as_text).map(str::to_owned)
    }

    /// That it claims something at all, whoever signed it: a JSON object without duplicate names.
    ///
    /// Errors: it claims nothing that could be read.
    pub fn check_form(&self) -> Result<(), JwsError> {
        self.claims().map(drop)
    }

    fn claims(&self) -> Result<Value, JwsError> {
        match part(self.claims, "its second part is not JSON without duplicate names")? {
            claims @ Value::Record(_) => Ok(claims),
            _ => Err(JwsError::Malformed("its second part is not a JSON object")),
        }
    }

    /// Whether `key` signed it.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.verifies(self.algorithm, self.signed.as_bytes(), &self.signature)
    }

    /// What it claims, if `key` signed it: a JSON object without duplicate names.
    ///
    /// Errors: another algorithm than the key's, another signature, or claims that are not that.
    pub fn verified(&self, key: &PublicKey) -> Result<Value, JwsError> {
        if !key.is_for(self.algorithm) {
            let expected = "that of the key it is checked with";
            return Err(JwsError::Algorithm { of: self.kind.name, expected });
        }
        if !self.is_signed_by(key) {
            return Err(JwsError::Signature { of: self.kind.name });
        }
        self.claims()
    }
}

fn check_header(header: &Value, kind: &Kind) -> Result<Algorithm, JwsError> {
    let Value::Record(members) = header else {
        return Err(JwsError::Malformed("its first part is not a JSON object"));
    };
    if let Some(name) = members.keys().find(|name| !kind.members.contains(&name.as_str())) {
        let notable = NOTABLE.iter().find(|(known, _)| known == name);
        let what = notable.map_or("an unknown member", |(_, text)| text);
        return Err(JwsError::Header { of: kind.name, what, expected: kind.members_in_words });
    }
    let text = |name| header.member(name).and_then(Value::as_text);
    let algorithm = kind.algorithms.iter().find(|it| text("alg") == Some(it.name()));
    let algorithm = *algorithm
        .ok_or(JwsError::Algorithm { of: kind.name, expected: kind.algorithms_in_words })?;
    let given = match header.member("typ") {
        None => Some(""),
        Some(_) => text("typ"),
    };
    if !given.is_some_and(|typ| kind.types.contains(&typ)) {
        return Err(JwsError::Type { of: kind.name, expected: kind.types_in_words });
    }
    Ok(algorithm)
}

/// One part of a token. The base64url decoder refuses padding, other alphabets and stray bits;
/// [`Value::parse`] refuses duplicate names, which two parsers could read differently.
fn part(text: &str, otherwise: &'static str) -> Result<Value, JwsError> {
    let bytes = BASE64URL_NOPAD
        .decode(text.as_bytes())
        .map_err(|_| JwsError::Malformed("a part is not base64url"))?;
    let json = String::from_utf8(bytes).map_err(|_| JwsError::Malformed(otherwise))?;
    Value::parse(&json).map_err(|_| JwsError::Malformed(otherwise))
}
