//! The keys that this process signs with, as its operator sees them.

use std::path::Path;
use std::sync::{Arc, Weak};

use axum::http::StatusCode;
use remit_engine::approve::Actor;
use remit_model::Timestamp;
use remit_operator::{Failure, SigningKeys, wire};
use remit_ports::BoxFuture;
use remit_spiffe::Generation;
use remit_token::GrantKey;
use tokio::task::JoinError;

use super::checkpoints::Signer;
use super::{Checkpoints, Svids, Tokens};

/// All of them.
#[derive(Debug)]
pub(crate) struct Ring {
    checkpoints: Arc<Checkpoints>,
    tokens: Arc<Tokens>,
    /// Not held: streams of SVIDs end when these do.
    svids: Weak<Svids>,
}

impl Ring {
    /// The ring of these.
    pub(crate) fn new(
        checkpoints: Arc<Checkpoints>,
        tokens: Arc<Tokens>,
        svids: &Arc<Svids>,
    ) -> Self {
        Self { checkpoints, tokens, svids: Arc::downgrade(svids) }
    }

    /// The keys of the log.
    fn of_log(&self) -> Vec<wire::Key> {
        let dated = |signer: Signer| {
            let id = data_encoding::HEXLOWER.encode(&signer.key.id());
            let (file, made) = (self.checkpoints.file(signer.number), Some(signer.made));
            let signs_from = made;
            wire::Key {
                made,
                signs_from,
                ..key((&signer.name(), "checkpoints"), ("Ed25519", &id), &file)
            }
        };
        self.checkpoints.signers().into_iter().map(dated).collect()
    }

    /// The keys of grants.
    fn of_grants(&self) -> Vec<wire::Key> {
        let keys = self.tokens.keys();
        let next = keys.iter().skip(1).map(|(next, _)| Some(next.made())).chain([None]);
        let dated = |((of, ends), until): ((&Arc<GrantKey>, _), Option<Timestamp>)| {
            let file = self.tokens.file(of.number());
            wire::Key {
                made: Some(of.made()),
                signs_from: Some(of.made()),
                signs_until: until,
                next_made: until.is_none().then(|| of.made().after(self.tokens.rotation())),
                good_until: ends,
                ..key((&of.name(), "grants"), ("ES256", of.kid()), &file)
            }
        };
        keys.iter().zip(next).map(dated).collect()
    }

    fn svids(&self) -> Result<Arc<Svids>, Failure> {
        let ending = || Failure::new(StatusCode::SERVICE_UNAVAILABLE, "remit is ending");
        self.svids.upgrade().ok_or_else(ending)
    }
}

impl SigningKeys for Ring {
    fn list(&self) -> Result<Vec<wire::Key>, Failure> {
        let svids = self.svids()?;
        let generations = svids.generations();
        let mut keys = self.of_log();
        keys.extend(self.of_grants());
        for (at, generation) in generations.iter().enumerate() {
            let successor = generations.get(at + 1).map(Arc::as_ref);
            let files = svids.files(generation.number());
            keys.extend(of(generation, (at == 0, successor), &files));
        }
        Ok(keys)
    }

    fn rotate(
        &self,
        which: wire::Rotatable,
        actor: Actor,
        compromised: bool,
    ) -> BoxFuture<'_, Result<wire::Rotated, Failure>> {
        Box::pin(async move {
            let rotating = match which {
                wire::Rotatable::Log => {
                    tokio::spawn(of_log(Arc::clone(&self.checkpoints), actor, compromised))
                }
                wire::Rotatable::Svid => tokio::spawn(of_svids(self.svids()?, actor, compromised)),
                wire::Rotatable::Token => {
                    tokio::spawn(of_tokens(Arc::clone(&self.tokens), actor, compromised))
                }
            };
            rotating.await.map_err(broken)?
        })
    }

    fn retire(&self, actor: Actor) -> BoxFuture<'_, Result<wire::Retired, Failure>> {
        Box::pin(async move {
            let checkpoints = Arc::clone(&self.checkpoints);
            let retiring = tokio::spawn(async move { checkpoints.retire(&actor).await });
            let (retired, signs) = retiring.await.map_err(broken)??;
            Ok(wire::Retired { retired, signs })
        })
    }
}

fn broken(why: JoinError) -> Failure {
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, why)
}

async fn of_log(
    checkpoints: Arc<Checkpoints>,
    actor: Actor,
    compromised: bool,
) -> Result<wire::Rotated, Failure> {
    let (made, withdrawn) = checkpoints.rotate(&actor, compromised).await?;
    Ok(wire::Rotated { made: made.name(), signs_from: made.made, withdrawn })
}

async fn of_svids(
    svids: Arc<Svids>,
    actor: Actor,
    compromised: bool,
) -> Result<wire::Rotated, Failure> {
    let (made, signs_from, withdrawn) = if compromised {
        let (made, withdrawn) = svids.replace(&actor).await?;
        (made.name(), made.made(), withdrawn)
    } else {
        let made = svids.rotate(&actor).await?;
        (made.name(), made.takes_over(), Vec::new())
    };
    Ok(wire::Rotated { made, signs_from, withdrawn })
}

async fn of_tokens(
    tokens: Arc<Tokens>,
    actor: Actor,
    compromised: bool,
) -> Result<wire::Rotated, Failure> {
    let (made, withdrawn) = if compromised {
        tokens.replace(&actor).await?
    } else {
        (tokens.rotate(&actor).await?, Vec::new())
    };
    Ok(wire::Rotated { made: made.name(), signs_from: made.made(), withdrawn })
}

fn key((name, signs): (&str, &str), (algorithm, id): (&str, &str), file: &Path) -> wire::Key {
    wire::Key {
        name: name.to_owned(),
        signs: signs.to_owned(),
        algorithm: algorithm.to_owned(),
        id: id.to_owned(),
        made: None,
        signs_from: None,
        signs_until: None,
        next_made: None,
        good_until: None,
        file: file.display().to_string(),
    }
}

/// The two keys of a generation, with how it stands among the others.
fn of(
    generation: &Generation,
    (oldest, successor): (bool, Option<&Generation>),
    [signer, jwt]: &[std::path::PathBuf; 2],
) -> [wire::Key; 2] {
    let name = generation.name();
    let dated = |key: wire::Key| wire::Key {
        made: Some(generation.made()),
        // The one that had no predecessor did not have to wait.
        signs_from: Some(if oldest { generation.made() } else { generation.takes_over() }),
        signs_until: successor.map(Generation::takes_over),
        next_made: successor.is_none().then(|| generation.next_is_due()),
        good_until: Some(generation.ends()),
        ..key
    };
    let certificate = generation.certificate_id();
    [
        dated(key((&name, "x509-svids"), ("ES256", &certificate), signer)),
        dated(key((&name, "jwt-svids"), ("ES256", generation.kid()), jwt)),
    ]
}
