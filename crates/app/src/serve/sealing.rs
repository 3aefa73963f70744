//! Sealed storage of this process: closed as the configuration says, changed by operators, on record.

use std::collections::BTreeMap;
use std::io::{BufRead as _, IsTerminal as _, Read as _};
use std::sync::{Arc, OnceLock, Weak};

use axum::http::StatusCode;
use remit_engine::Engine;
use remit_engine::approve::Actor;
use remit_engine::key::Sealing as Noted;
use remit_issuers::oauth::refresh_token;
use remit_keys::{About, Guard, Guards, KeysError, Sealed, SealedError};
use remit_model::{CredentialName, Digest, Secret, SecretName};
use remit_operator::{Act, Failure, SealedStorage, wire};
use remit_ports::{BoxFuture, SecretError, Secrets as _};
use zeroize::Zeroizing;

use super::unavailable;
use crate::config::{Before, Secrets};
use crate::fail::Fail;

/// The most that is read where a passphrase is expected (R13).
const MAX_LINE: u64 = 4096;

/// How often one file can be imported anew without undoing it (R13).
const MAX_KEPT: usize = 8;

/// What closes sealed storage, and may have closed it until now, as `secrets` say.
///
/// Errors: it is not to be had.
pub(crate) fn guards(secrets: &Secrets) -> Result<Guards, Fail> {
    Ok((guard(secrets)?, secrets.before.as_ref().map(before).transpose()?))
}

fn guard(secrets: &Secrets) -> Result<Guard, Fail> {
    Ok(match (&secrets.key_file, &secrets.passphrase_file, &secrets.passphrase) {
        (Some(file), _, _) => Guard::key_file(file)?,
        (_, Some(file), _) => Guard::passphrase_file(file)?,
        (_, _, Some(_)) => Guard::passphrase(ask()?)?,
        (None, None, None) => Guard::nothing(),
    })
}

fn before(before: &Before) -> Result<Guard, KeysError> {
    match (&before.key_file, &before.passphrase_file) {
        (Some(file), _) => Guard::key_file(file),
        (None, Some(file)) => Guard::passphrase_file(file),
        (None, None) => Ok(Guard::nothing()),
    }
}

/// Asks for the passphrase of sealed storage: at the terminal if there is one, else it is the first line
/// of standard input.
fn ask() -> Result<Zeroizing<String>, Fail> {
    let failed = |why| {
        Fail::new(format!(
            "the passphrase of sealed storage cannot be read from standard input: {why}"
        ))
    };
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password("Passphrase of sealed storage: ")
            .map(Zeroizing::new)
            .map_err(failed);
    }
    let mut line = Zeroizing::new(String::new());
    std::io::stdin().lock().take(MAX_LINE).read_line(&mut line).map_err(failed)?;
    Ok(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Sealed storage as issuers have it: what they keep there by themselves (refresh tokens) is looked for from
/// that moment on. It is opened before there is an engine to look.
pub(super) struct Watched {
    store: Arc<Sealed>,
    /// Not kept alive by it: the engine holds the issuers, and those hold this.
    engine: OnceLock<Weak<Engine>>,
}

impl Watched {
    pub(super) fn new(store: Arc<Sealed>) -> Self {
        Self { store, engine: OnceLock::new() }
    }

    /// By this engine from now on.
    pub(super) fn by(&self, engine: &Arc<Engine>) {
        // There is one; a second would be the same.
        drop(self.engine.set(Arc::downgrade(engine)));
    }
}

impl remit_ports::Secrets for Watched {
    fn read(&self, name: &SecretName) -> Result<Secret, SecretError> {
        self.store.read(name)
    }

    fn keep(&self, name: &SecretName, secret: &Secret) -> Result<(), SecretError> {
        // First, so that there is no moment in which it is kept and passes.
        if let Some(engine) = self.engine.get().and_then(Weak::upgrade) {
            look_out(&engine, name, secret);
        }
        self.store.keep(name, secret)
    }
}

/// Has what lies in storage as `name` found wherever it turns up: of a consent the token alone, since the rest
/// is no secret and nobody repeats the whole.
fn look_out(engine: &Engine, name: &SecretName, kept: &Secret) {
    match refresh_token(kept) {
        Some(token) => engine.look_out_for(name, &token),
        None => engine.look_out_for(name, kept),
    }
}

/// What operators do to sealed storage.
#[derive(Debug)]
pub(crate) struct Sealing {
    store: Arc<Sealed>,
    engine: Arc<Engine>,
    lent: BTreeMap<SecretName, Vec<CredentialName>>,
    /// Held by whoever changes something, so that what was checked still holds when it is done.
    one: tokio::sync::Mutex<()>,
}

impl Sealing {
    /// Over `store`; `lent` are the credentials that are nothing but a secret.
    pub(super) fn new(
        store: Arc<Sealed>,
        engine: Arc<Engine>,
        lent: BTreeMap<SecretName, Vec<CredentialName>>,
    ) -> Arc<Self> {
        let sealing = Self { store, engine, lent, one: tokio::sync::Mutex::default() };
        sealing.look_out();
        sealing.miss_canaries();
        Arc::new(sealing)
    }

    /// Has all that lies here found wherever it turns up.
    fn look_out(&self) {
        for About { name, .. } in self.all().unwrap_or_default() {
            self.look_out_for(&name);
        }
    }

    /// Says which canaries are missing: somebody put them somewhere, and nobody would notice.
    pub(crate) fn miss_canaries(&self) {
        for name in self.all().iter().flat_map(|kept| self.missing(kept)) {
            tracing::warn!(%name, "a canary is not in sealed storage: add it with `remit secret add`");
        }
    }

    /// What lies here, unless it cannot be read.
    fn all(&self) -> Option<Vec<About>> {
        let all = self.store.list().inspect_err(|why| {
            tracing::warn!(%why, "what lies in sealed storage cannot be looked for");
        });
        all.ok()
    }

    /// The canaries that are not among what is `kept`.
    fn missing(&self, kept: &[About]) -> Vec<SecretName> {
        let canaries = &self.engine.settings().canaries;
        let missing = |name: &&SecretName| !kept.iter().any(|it| it.name == **name);
        canaries.iter().filter(missing).cloned().collect()
    }

    fn look_out_for(&self, name: &SecretName) {
        match self.store.read(name) {
            Ok(secret) => look_out(&self.engine, name, &secret),
            Err(why) => tracing::warn!(%name, %why, "a secret cannot be looked for"),
        }
    }

    /// Does `act`. What adds something is on record first, what removes something has happened then.
    async fn carry_out(&self, act: Act, actor: &Actor) -> Result<(), Failure> {
        let _one = self.one.lock().await;
        match act {
            Act::Add(name, secret) => {
                self.store.check((&name, &secret), false).map_err(refused)?;
                self.engine.sealing(Noted::Added, &[name.as_str()], actor).await?;
                let (by, added) = (actor.name.clone(), name.clone());
                self.on_disk(move |store| store.add(&name, &secret, &by)).await?;
                self.look_out_for(&added);
                Ok(())
            }
            Act::Replace(name, secret) => {
                self.store.check((&name, &secret), true).map_err(refused)?;
                self.engine.sealing(Noted::Replaced, &[name.as_str()], actor).await?;
                let (by, replaced) = (actor.name.clone(), name.clone());
                self.on_disk(move |store| store.replace(&name, &secret, &by)).await?;
                self.look_out_for(&replaced);
                self.withdraw(&replaced);
                Ok(())
            }
            Act::Remove(name) => {
                let removed = name.clone();
                self.on_disk(move |store| store.remove(&removed)).await?;
                self.withdraw(&name);
                self.engine.look_out_no_more(&name);
                self.engine.sealing(Noted::Removed, &[name.as_str()], actor).await.map_err(|why| {
                    unavailable(&format_args!("`{name}` is gone, but that is not on record: {why}"))
                })
            }
            Act::RotateKey => {
                self.engine.sealing(Noted::Rewrapped, &[], actor).await?;
                self.on_disk(Sealed::turn).await
            }
            Act::KeepFile(file) => {
                let kept = self.kept(&file.path)?.len();
                if kept >= MAX_KEPT {
                    let why = format!("`{}` was imported {MAX_KEPT} times: undo that", file.path);
                    return Err(Failure::new(StatusCode::CONFLICT, why));
                }
                self.engine.sealing(Noted::Kept, &[&file.path], actor).await?;
                let bytes = serde_json::to_vec(&file).map(Zeroizing::new).map_err(Failure::bad)?;
                let at = digest(&file.path, kept);
                self.on_disk(move |store| store.keep_original(&at, &bytes)).await
            }
            Act::ForgetFile(path) => match self.kept(&path)?.len().checked_sub(1) {
                Some(last) => {
                    let at = digest(&path, last);
                    self.on_disk(move |store| store.forget_original(&at)).await
                }
                None => Ok(()),
            },
        }
    }

    /// The originals of the file at `path`, each from before a further import.
    fn kept(&self, path: &str) -> Result<Vec<Zeroizing<Vec<u8>>>, Failure> {
        let each = (0..MAX_KEPT).map_while(|n| self.store.original(&digest(path, n)).transpose());
        each.collect::<Result<_, _>>().map_err(refused)
    }

    /// Off the event loop: it writes and syncs.
    async fn on_disk(
        &self,
        act: impl FnOnce(&Sealed) -> Result<(), SealedError> + Send + 'static,
    ) -> Result<(), Failure> {
        let store = Arc::clone(&self.store);
        let done = tokio::task::spawn_blocking(move || act(&store)).await;
        done.map_err(|why| unavailable(&why))?.map_err(refused)
    }

    /// Nobody goes on with what it was.
    fn withdraw(&self, name: &SecretName) {
        if let Some(lent) = self.lent.get(name) {
            self.engine.withdraw(|out| lent.contains(&out.note.credential));
        }
    }
}

/// What an original is found by: that of `path`, before it was imported for the time `n`.
fn digest(path: &str, n: usize) -> Digest {
    Digest::of_parts(&[b"remit/file/v1", path.as_bytes(), &n.to_be_bytes()])
}

fn refused(why: SealedError) -> Failure {
    let status = match &why {
        SealedError::Missing(_) => StatusCode::NOT_FOUND,
        SealedError::Exists(_) | SealedError::Full | SealedError::ManyOriginals => {
            StatusCode::CONFLICT
        }
        SealedError::Size(_) | SealedError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        SealedError::Keys(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    Failure::new(status, why)
}

impl SealedStorage for Sealing {
    fn status(&self) -> wire::Sealed {
        let guard = self.store.guard();
        let protection = if guard.is_nothing() { "unprotected" } else { "protected" };
        wire::Sealed {
            count: self.store.list().ok().map(|all| all.len()),
            guard: guard.name().to_owned(),
            protection: protection.to_owned(),
        }
    }

    fn list(&self) -> Result<Vec<wire::NamedSecret>, Failure> {
        let settings = self.engine.settings();
        let all = self.store.list().map_err(refused)?;
        let missing = self.missing(&all).into_iter().map(|name| (name, None));
        let kept = all.into_iter().map(|About { name, made, changed, by }| {
            (name, Some(wire::KeptSecret { made, changed, by }))
        });
        let told = |(name, kept)| {
            let lent_as = self.lent.get(&name).cloned().unwrap_or_default();
            let canary = settings.canaries.contains(&name);
            wire::NamedSecret { name, kept, lent_as, canary }
        };
        let mut told: Vec<_> = kept.chain(missing).map(told).collect();
        told.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(told)
    }

    fn act(self: Arc<Self>, act: Act, actor: Actor) -> BoxFuture<'static, Result<(), Failure>> {
        let acting = tokio::spawn(async move { self.carry_out(act, &actor).await });
        Box::pin(async move { acting.await.map_err(|why| unavailable(&why))? })
    }

    fn file(&self, path: String, actor: Actor) -> BoxFuture<'_, Result<wire::FileKept, Failure>> {
        Box::pin(async move {
            let bytes = self.kept(&path)?.pop().ok_or_else(|| {
                Failure::missing(format!("no original of `{path}` is kept: it was never imported"))
            })?;
            self.engine.sealing(Noted::GivenBack, &[&path], &actor).await?;
            serde_json::from_slice(&bytes).map_err(|why| unavailable(&why))
        })
    }
}
