//! The keys that this process signs with, as its operator sees them.

use std::path::Path;
use std::sync::{Arc, Weak};

use axum::http::StatusCode;
use remit_engine::approve::Actor;
use remit_keys::Keys;
use remit_operator::{Failure, SigningKeys, wire};
use remit_ports::BoxFuture;
use remit_spiffe::Generation;

use super::Svids;
use crate::fail::Fail;

/// All of them.
#[derive(Debug)]
pub(crate) struct Ring {
    /// Those that are never replaced: of the log and of grants.
    fixed: [wire::Key; 2],
    /// Not held: streams of SVIDs end when these do.
    svids: Weak<Svids>,
}

impl Ring {
    /// The ring of `keys`, which sign for the log `origin`, and grants under the id `kid`.
    ///
    /// Errors: a key cannot be read.
    pub(crate) fn new(
        keys: &Keys,
        (origin, kid): (&str, &str),
        svids: &Arc<Svids>,
    ) -> Result<Self, Fail> {
        let [log, token] = keys.files();
        let verifier = keys.log_key(origin)?.verifier().id();
        let id = data_encoding::HEXLOWER.encode(&verifier);
        let fixed = [
            key(("log", "checkpoints"), ("Ed25519", &id), &log),
            key(("token", "grants"), ("ES256", kid), &token),
        ];
        Ok(Self { fixed, svids: Arc::downgrade(svids) })
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
        let mut keys = self.fixed.to_vec();
        for (at, generation) in generations.iter().enumerate() {
            let successor = generations.get(at + 1).map(Arc::as_ref);
            let files = svids.files(generation.number());
            keys.extend(of(generation, (at == 0, successor), &files));
        }
        Ok(keys)
    }

    fn rotate(
        &self,
        actor: Actor,
        compromised: bool,
    ) -> BoxFuture<'_, Result<wire::Rotated, Failure>> {
        Box::pin(async move {
            let svids = self.svids()?;
            let rotating = tokio::spawn(async move {
                let name = |made: &Generation| format!("svid-{}", made.number());
                if !compromised {
                    let made = svids.rotate(&actor).await?;
                    let (made, signs_from) = (name(&made), made.takes_over());
                    return Ok(wire::Rotated { made, signs_from, withdrawn: Vec::new() });
                }
                let (made, withdrawn) = svids.replace(&actor).await?;
                let (made, signs_from) = (name(&made), made.made());
                Ok(wire::Rotated { made, signs_from, withdrawn })
            });
            let broken = |why| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, why);
            rotating.await.map_err(broken)?
        })
    }
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
    let name = format!("svid-{}", generation.number());
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
