//! The consents that people gave at an authorization server, in sealed storage: each person's own, and
//! each for one credential.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::HEXLOWER;
use remit_model::{CredentialName, Digest, Named, Secret, SecretName};
use remit_ports::{IssuerError, SecretError, Secrets};
use serde::{Deserialize, Serialize};

/// Bytes of the digest in a name: enough that nobody finds another person of the same name.
const NAME: usize = 24;

/// What is kept of one: with whom it is good, and by whose leave.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Consent {
    credential: CredentialName,
    /// `None`: Remit itself.
    person: Option<Named>,
    /// The authorization server, as it calls itself.
    issuer: String,
    client_id: String,
    refresh_token: String,
}

/// The secret in what is kept of a consent; `None` if this is something else.
pub fn refresh_token(kept: &Secret) -> Option<Secret> {
    let consent: Consent = serde_json::from_str(kept.reveal()).ok()?;
    Some(Secret::new(consent.refresh_token))
}

/// The consents for one credential.
pub(super) struct Consents {
    credential: CredentialName,
    secrets: Arc<dyn Secrets>,
    /// Held while a refresh token is used: of two uses at once, the second looks like a thief's.
    turns: Mutex<BTreeMap<SecretName, Arc<tokio::sync::Mutex<()>>>>,
    /// Those that were found in storage: as many as there are.
    found: Mutex<BTreeSet<SecretName>>,
}

/// A refresh token, and with whom it is good.
pub(super) struct Good<'a> {
    pub(super) issuer: &'a str,
    pub(super) client: &'a str,
}

impl Consents {
    pub(super) fn new(credential: CredentialName, secrets: Arc<dyn Secrets>) -> Self {
        Self { credential, secrets, turns: Mutex::default(), found: Mutex::default() }
    }

    /// What the consent of `person` is called in sealed storage.
    fn name(&self, person: Option<&Named>) -> Result<SecretName, IssuerError> {
        let broken = |why: &dyn std::fmt::Display| IssuerError::Refused(why.to_string());
        let of = serde_json::to_string(&(&self.credential, person)).map_err(|why| broken(&why))?;
        let digest = Digest::of(of.as_bytes()).0;
        let digest = digest.first_chunk::<NAME>().map(|bytes| HEXLOWER.encode(bytes));
        format!("consent-{}", digest.unwrap_or_default()).parse().map_err(|why| broken(&why))
    }

    /// Waits until nobody else uses the consent of `person`.
    pub(super) async fn turn(
        &self,
        person: Option<&Named>,
    ) -> Result<tokio::sync::OwnedMutexGuard<()>, IssuerError> {
        let name = self.name(person)?;
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(name).or_default())
        };
        Ok(turn.lock_owned().await)
    }

    /// That `person` gave consent, whether or not it is still good. Reads storage until it did.
    ///
    /// Errors: it did not.
    pub(super) fn look(&self, person: Option<&Named>) -> Result<(), IssuerError> {
        let name = self.name(person)?;
        if self.found().contains(&name) {
            return Ok(());
        }
        match self.secrets.read(&name) {
            Ok(_) => self.found().insert(name),
            Err(SecretError::Missing(_)) => return Err(self.missing(person)),
            Err(why) => return Err(IssuerError::Unavailable(why.to_string())),
        };
        Ok(())
    }

    fn found(&self) -> MutexGuard<'_, BTreeSet<SecretName>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The refresh token of `person`, if it is good with this server for this client.
    ///
    /// Errors: there is none, or it is for somebody else.
    pub(super) async fn read(
        &self,
        person: Option<&Named>,
        with: &Good<'_>,
    ) -> Result<Secret, IssuerError> {
        let (name, secrets) = (self.name(person)?, Arc::clone(&self.secrets));
        let read = move || secrets.read(&name);
        let kept = match off_the_loop(read).await? {
            Err(SecretError::Missing(name)) => {
                self.found().remove(&name);
                return Err(self.unusable(person, "gave no consent yet"));
            }
            kept => kept.map_err(|why| IssuerError::Unavailable(why.to_string()))?,
        };
        let consent: Consent = serde_json::from_str(kept.reveal())
            .map_err(|_| self.unusable(person, "gave a consent that cannot be read"))?;
        let own = consent.credential == self.credential && consent.person.as_ref() == person;
        if !own || consent.issuer != with.issuer || consent.client_id != with.client {
            return Err(self.unusable(person, "gave consent at another authorization server"));
        }
        Ok(Secret::new(consent.refresh_token))
    }

    /// Keeps the refresh token of `person`, durably.
    ///
    /// Errors: it is not kept.
    pub(super) async fn keep(
        &self,
        person: Option<&Named>,
        with: &Good<'_>,
        token: &Secret,
    ) -> Result<(), IssuerError> {
        let consent = Consent {
            credential: self.credential.clone(),
            person: person.cloned(),
            issuer: with.issuer.to_owned(),
            client_id: with.client.to_owned(),
            refresh_token: token.reveal().to_owned(),
        };
        let said = |why: &dyn std::fmt::Display| {
            IssuerError::Unavailable(format!("a refresh token could not be kept: {why}"))
        };
        let text = Secret::new(serde_json::to_string(&consent).map_err(|why| said(&why))?);
        let (name, secrets) = (self.name(person)?, Arc::clone(&self.secrets));
        off_the_loop(move || secrets.keep(&name, &text)).await?.map_err(|why| said(&why))
    }

    /// That `person` has to consent, whom it names: for the body of a refusal, which is erased with its
    /// task.
    fn missing(&self, person: Option<&Named>) -> IssuerError {
        let (did, credential) = ("gave no consent yet", &self.credential);
        let Some(Named { issuer, subject }) = person else { return self.unusable(None, did) };
        IssuerError::Refused(format!(
            "`{subject}`, as {issuer} calls them, {did} for the credential `{credential}`: run `remit \
             credential connect {credential} --as {} --issuer {}`, and let them follow the address",
            quoted(subject),
            quoted(issuer)
        ))
    }

    /// The same while a token is asked for, because so far they `did` something else. It names nobody:
    /// what becomes of a call stands on record in the clear.
    pub(super) fn unusable(&self, person: Option<&Named>, did: &str) -> IssuerError {
        let credential = &self.credential;
        IssuerError::Refused(match person {
            Some(_) => format!(
                "the person of this task {did} for the credential `{credential}`: run `remit credential connect \
                 {credential} --as PERSON --issuer URL`, with what `remit task show` says of them, and let them \
                 follow the address"
            ),
            None => format!(
                "nobody {did} for what Remit itself asks with the credential `{credential}`: run `remit \
                 credential connect {credential}` and follow the address"
            ),
        })
    }
}

/// A word as a shell takes it for one: names come from elsewhere, and commands are copied.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/@+%,=".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) && !word.starts_with('-') {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Sealed storage reads and syncs files.
async fn off_the_loop<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, IssuerError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|why| IssuerError::Unavailable(format!("sealed storage failed: {why}")))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_name_stays_one_word_of_a_shell() {
        for (word, expected) in [
            ("alice@example.org", "alice@example.org"),
            ("https://idp.example/t", "https://idp.example/t"),
            ("", "''"),
            ("-x", "'-x'"),
            ("a b; rm -rf $HOME", "'a b; rm -rf $HOME'"),
            ("it's `x`", r"'it'\''s `x`'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
