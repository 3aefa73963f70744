//! Following the configuration, the policies and the keys in files while Remit runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use remit_consent::{Client, Clients};
use remit_engine::reload::ReloadError;
use remit_engine::{Engine, Settings};
use remit_federation::{Federation, Source as KeySource, WorkloadSource};
use remit_model::{Digest, ServerName, Voucher};
use remit_policy::Source;

use super::TICK;
use crate::config::{Config, Listen, Server};
use crate::fail::Fail;
use crate::serve::{Checkpoints, Cosigning, Handed, Operators, Sealing, Svids, Tokens};

/// What the files say.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) config: Config,
    pub(crate) policies: Vec<Source>,
    clients: Vec<Client>,
    /// Where the keys of those come from who vouch.
    vouchers: BTreeMap<Voucher, KeySource>,
}

impl Said {
    fn read(config_file: &Path) -> Result<Self, Fail> {
        let config = Config::read(config_file)?;
        let (clients, vouchers) = (config.clients()?, config.sources()?);
        let policies = config.policy_sources(config_file)?;
        Ok(Self { config, policies, clients, vouchers })
    }
}

/// What the files say, or why they say nothing, and a digest of all of it.
fn read(config_file: &Path) -> (Digest, Result<Said, Fail>) {
    // First, so that what is written in between shows as a change at the next look.
    let text = std::fs::read(config_file).unwrap_or_default();
    let said = Said::read(config_file);
    let beside = match &said {
        Ok(said) => format!("{:?}", (&said.policies, said.config.thumbprints(), &said.vouchers)),
        Err(why) => why.to_string(),
    };
    (Digest::of_parts(&[&text, beside.as_bytes()]), said)
}

/// What of the configuration stays in force as it was at the start.
#[derive(Debug)]
struct AtStart {
    servers: BTreeSet<ServerName>,
    /// What is lent and where it goes, as a digest.
    lending: Digest,
    /// Where clients connect and how.
    listen: Listen,
    /// The Workload API that issues SVIDs in our place.
    source: Option<WorkloadSource>,
}

impl AtStart {
    fn of(config: &Config) -> Result<Self, Fail> {
        let deliveries: Vec<_> = config.servers.iter().map(Server::deliveries).collect();
        Ok(Self {
            servers: config.servers.iter().map(|server| server.name.clone()).collect(),
            lending: Digest::of(format!("{:?} {deliveries:?}", config.credentials).as_bytes()),
            listen: config.listen.clone(),
            source: config.source()?,
        })
    }

    /// How it is listened when `config` is followed: whether bearer grants are taken is a setting, and
    /// where the file says nothing of it, the address decides at which clients do connect.
    fn listening(&self, config: &Config) -> Listen {
        Listen { bearer: config.listen.bearer, ..self.listen.clone() }
    }

    /// The settings when `config` is followed, after those `before`.
    fn settings(&self, config: &Config, before: &Settings) -> Settings {
        // What is lent is delivered by what was put together at the start.
        let (lends, pick_ups) = (before.lends.clone(), before.pick_ups.clone());
        let bearer = self.listening(config).takes_bearer();
        Settings { lends, pick_ups, bearer, ..config.settings() }
    }

    /// Says what of `config`, which would begin with `then`, is not followed.
    fn say_what_waits(&self, config: &Config, then: &Self) {
        if then.lending != self.lending {
            tracing::warn!("what is lent was changed; that takes effect at the next start");
        }
        if then.servers != self.servers {
            tracing::warn!("servers were added or removed; that takes effect at the next start");
        }
        if then.source != self.source {
            tracing::warn!("[spiffe] was changed; what it adds takes effect at the next start");
        }
        if then.listen != self.listening(config) {
            tracing::warn!(
                "[listen] was changed; but for `bearer`, that takes effect at the next start"
            );
        }
    }
}

/// How far the files are followed.
#[derive(Debug)]
pub(crate) struct Following {
    config_file: PathBuf,
    start: AtStart,
    /// What was seen last; nothing while what was seen is to be tried again.
    seen: Option<Digest>,
    /// What was told to be of no effect: once, not at every try.
    told: Option<Digest>,
}

impl Following {
    /// Begins with what the files say now: whatever changes from here on is followed.
    ///
    /// Errors: what they say is wrong.
    pub(crate) fn begin(config_file: &Path) -> Result<(Self, Said), Fail> {
        let (digest, said) = read(config_file);
        let said = said?;
        let (config_file, start) = (config_file.to_owned(), AtStart::of(&said.config)?);
        Ok((Self { config_file, start, seen: Some(digest), told: None }, said))
    }

    /// Looks once; gives what the files say if the engine has just taken it.
    async fn look(&mut self, engine: &Engine) -> Option<Said> {
        let (digest, said) = read(&self.config_file);
        if self.seen == Some(digest) {
            return None;
        }
        self.seen = Some(digest);
        match self.offer(engine, said).await {
            Ok(said) => {
                self.told = None;
                Some(said)
            }
            Err(why) => {
                if self.told.replace(digest) != Some(digest) {
                    tracing::error!(%why, "nothing was changed");
                }
                None
            }
        }
    }

    /// Has the engine take what the files say.
    async fn offer(&mut self, engine: &Engine, said: Result<Said, Fail>) -> Result<Said, Fail> {
        let whole = said.and_then(|said| Ok((AtStart::of(&said.config)?, said)));
        let (then, said) = match whole {
            Ok(whole) => whole,
            Err(why) => {
                engine.note_refused(why.to_string()).await;
                return Err(why);
            }
        };
        let settings = self.start.settings(&said.config, &engine.settings());
        let taken = engine.reload(settings, said.policies.clone()).await;
        if matches!(taken, Err(ReloadError::Ledger(_))) {
            // A full disk passes, and nobody would touch the files again for that.
            self.seen = None;
        }
        taken?;
        self.start.say_what_waits(&said.config, &then);
        Ok(said)
    }
}

/// What follows the configuration, beside the engine.
#[derive(Debug)]
pub(crate) struct Followers {
    /// How far.
    pub(crate) following: Following,
    /// Who cosigns the log.
    pub(crate) cosigning: Arc<Cosigning>,
    /// Who may send people to the consent page.
    pub(crate) clients: Arc<Clients>,
    /// What signs the log.
    pub(crate) checkpoints: Arc<Checkpoints>,
    /// What signs grants.
    pub(crate) tokens: Arc<Tokens>,
    /// What signs SVIDs.
    pub(crate) svids: Arc<Svids>,
    /// The keys of those elsewhere who vouch.
    pub(crate) federation: Arc<Federation>,
    /// What a Workload API elsewhere hands out.
    pub(crate) handed: Handed,
    /// Where canaries lie.
    pub(crate) sealing: Arc<Sealing>,
    /// Who may act as operator.
    pub(crate) operators: Operators,
}

impl Followers {
    /// From now on as the engine has it. Nothing in here fails, so that all of it follows.
    fn configure(&self, said: Said) {
        let Said { config, clients, vouchers, policies: _ } = said;
        self.operators.configure(&config);
        self.sealing.miss_canaries();
        self.cosigning.configure(&config.witnesses);
        self.clients.configure(clients);
        self.tokens.configure(config.token.rotate.0);
        self.svids.configure(config.svid.rotate.0);
        self.federation.configure(vouchers, &self.svids.watch());
    }
}

/// Follows the files for ever.
pub(super) async fn follow(engine: Arc<Engine>, mut followers: Followers) {
    loop {
        tokio::time::sleep(TICK).await;
        if let Some(said) = followers.following.look(&engine).await {
            followers.configure(said);
            tracing::info!("the changed configuration and policies are in force");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::place::Place;

    const OPEN: &str = "@id(\"open\") permit (principal, action, resource);";
    const FINANCE: &str = "@id(\"finance\") forbid (principal, action, resource) when {\
        context has approval && context.approval.group == Remit::ApproverGroup::\"finance\" };";

    /// A configuration and its policies, and an engine that follows them.
    struct Followed {
        place: Place,
        engine: Arc<Engine>,
        folder: tempfile::TempDir,
    }

    impl Followed {
        async fn new(config: &str) -> Self {
            let place = Place::new();
            let (_, engine) = place.start().await;
            let followed = Self { place, engine, folder: tempfile::tempdir().unwrap() };
            std::fs::create_dir(followed.folder.path().join("policies")).unwrap();
            followed.write(config, OPEN);
            followed
        }

        fn file(&self) -> PathBuf {
            self.folder.path().join("remit.toml")
        }

        fn write(&self, config: &str, policy: &str) {
            std::fs::write(self.folder.path().join("policies/a.cedar"), policy).unwrap();
            std::fs::write(self.file(), format!("policies = \"policies\"\n{config}")).unwrap();
        }

        fn begin(&self) -> Following {
            Following::begin(&self.file()).unwrap().0
        }

        fn policies(&self) -> String {
            self.engine.world().sources.iter().map(|source| source.text.as_str()).collect()
        }
    }

    #[tokio::test]
    async fn whether_bearer_grants_are_taken_follows_the_address_of_the_start() {
        let listen = |rest: &str| format!("[listen]\n{rest}");
        for (start, now, bearer) in [
            ("address = \"0.0.0.0:7070\"", "address = \"127.0.0.1:7070\"", false),
            ("address = \"127.0.0.1:7070\"", "address = \"0.0.0.0:7070\"", true),
            ("address = \"127.0.0.1:7070\"", "bearer = false", false),
            ("address = \"0.0.0.0:7070\"", "bearer = true", true),
        ] {
            let followed = Followed::new(&listen(start)).await;
            let mut following = followed.begin();
            followed.write(&listen(now), OPEN);
            assert!(following.look(&followed.engine).await.is_some(), "{start}, then {now}");
            assert_eq!(followed.engine.settings().bearer, bearer, "{start}, then {now}");
        }
    }

    #[tokio::test]
    async fn what_is_written_after_the_start_has_read_the_files_is_followed() {
        let followed = Followed::new("").await;
        let mut following = followed.begin();
        followed.write("[[approver]]\ngroup = \"finance\"\n", FINANCE);
        assert!(following.look(&followed.engine).await.is_some());
        assert_eq!(followed.policies(), FINANCE);
        assert!(following.look(&followed.engine).await.is_none(), "nothing has changed since");
    }

    #[tokio::test]
    async fn what_a_full_disk_kept_from_the_record_is_tried_until_it_is_there() {
        let followed = Followed::new("").await;
        let (mut following, engine) = (followed.begin(), &followed.engine);
        followed.place.refuse_records(None);
        followed.write("", FINANCE.replace("finance", "operators").as_str());
        for _ in 0..2 {
            assert!(following.look(engine).await.is_none());
            assert!(engine.world().refused.as_ref().is_some_and(|why| why.contains("no room")));
            assert_eq!(followed.policies(), "");
        }
        followed.place.ledger.set_full(false);
        assert!(following.look(engine).await.is_some());
        assert_eq!(engine.world().refused, None);
        assert!(followed.policies().contains("operators"));
    }

    #[tokio::test]
    async fn what_is_wrong_is_refused_once_and_shown_until_it_is_mended() {
        let followed = Followed::new("").await;
        let (mut following, engine) = (followed.begin(), &followed.engine);
        for (config, policy, why) in
            [("[listen]\nadress = \"x\"", OPEN, "adress"), ("", FINANCE, "finance")]
        {
            followed.write(config, policy);
            assert!(following.look(engine).await.is_none());
            let refused = engine.world().refused.clone();
            assert!(refused.is_some_and(|refused| refused.contains(why)), "{why}");
            assert!(following.seen.is_some(), "{why}: only another text is worth a try");
        }
        followed.write("", OPEN);
        assert!(following.look(engine).await.is_some());
        assert_eq!(engine.world().refused, None);
    }
}
