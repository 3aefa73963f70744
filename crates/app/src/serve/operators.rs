//! Who may act as operator, as the configuration says by now, and what else follows from whom it names:
//! who may reach the sockets, and whether this Remit is protected.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use remit_keys::{Keys, Operator};
use remit_operator::{Authority, Passphrases, wire};
use tokio::sync::watch;

use super::{Handed, svids};
use crate::config::Config;
use crate::environment::{self, SystemEntropy};
use crate::socket;

/// What follows the user ids in the configuration.
#[derive(Debug)]
pub(crate) struct Operators {
    /// Who may act as operator.
    people: Arc<Authority>,
    /// What the status says.
    setup: watch::Sender<wire::Setup>,
    /// The sockets of which users are told apart by the kernel.
    sockets: Vec<PathBuf>,
}

/// What follows `config` from now on, who may act as operator, and what the status says.
pub(super) fn opened(
    (state, config_file): (&Path, &Path),
    config: &Config,
    keys: &Keys,
) -> (Operators, Arc<Authority>, watch::Receiver<wire::Setup>) {
    let (uids, own_uid) = (config.operator.uids.clone(), environment::own_uid());
    let checker = Box::new(Checker(keys.operator()));
    let people = Arc::new(Authority::new(checker, Arc::new(SystemEntropy), uids, own_uid));
    let (sender, setup) = watch::channel(setup((state, config_file), config));
    // It was read when the file was checked.
    let is_ours = matches!(config.source(), Ok(None));
    let workloads = is_ours.then(|| svids::socket(state));
    let sockets = [socket::path(state)].into_iter().chain(workloads).collect();
    (Operators { people: Arc::clone(&people), setup: sender, sockets }, people, setup)
}

fn setup((state, config_file): (&Path, &Path), config: &Config) -> wire::Setup {
    let (protection, why) = config.protection(environment::own_uid());
    wire::Setup {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        protection: protection.to_owned(),
        protection_why: why,
        state: state.display().to_string(),
        workload_api: Handed::endpoint(config, state),
        config: config_file.display().to_string(),
    }
}

struct Checker(Operator);

impl Passphrases for Checker {
    fn verify(&self, passphrase: &str) -> bool {
        self.0.verify_passphrase(passphrase).unwrap_or_else(|why| {
            tracing::error!(%why, "no passphrase can be checked");
            false
        })
    }
}

impl Operators {
    /// From now on as `config` says.
    pub(crate) fn configure(&self, config: &Config) {
        let own_uid = environment::own_uid();
        self.people.configure(config.operator.uids.clone());
        let (protection, why) = config.protection(own_uid);
        self.setup.send_modify(|setup| {
            protection.clone_into(&mut setup.protection);
            setup.protection_why = why;
        });
        let others = config.serves_other_users(own_uid);
        for path in &self.sockets {
            if let Err(why) = socket::open_to_others(path, others) {
                tracing::warn!(%why, "who may connect to {} stays as it was", path.display());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    struct Nobody;
    impl Passphrases for Nobody {
        fn verify(&self, _: &str) -> bool {
            false
        }
    }

    #[tokio::test]
    async fn a_changed_configuration_changes_who_is_an_operator_and_who_may_connect() {
        let dir = tempfile::tempdir().unwrap();
        let (file, path) = (dir.path().join("remit.toml"), dir.path().join("sock"));
        let _listener = socket::bind(&path, false).unwrap();
        let (own, agent) = (environment::own_uid(), 70_001);
        let people = Authority::new(Box::new(Nobody), Arc::new(SystemEntropy), vec![agent], own);
        let setup = wire::Setup {
            version: String::new(),
            protection: "unprotected".to_owned(),
            protection_why: String::new(),
            state: String::new(),
            workload_api: String::new(),
            config: String::new(),
        };
        let operators = Operators {
            people: Arc::new(people),
            setup: watch::Sender::new(setup),
            sockets: vec![path.clone()],
        };
        let agents = "[[agent]]\nname = \"a\"\nowner = \"operators\"\nuids = [70001]\n";
        for (text, expected, protection, mode) in [
            (format!("{agents}[operator]\nuids = [70002]"), [false, true], "protected", 0o666),
            (format!("{agents}[operator]\nuids = [70001]"), [true, false], "unprotected", 0o666),
            (String::new(), [false, false], "protected", 0o600),
        ] {
            std::fs::write(&file, &text).unwrap();
            operators.configure(&Config::read(&file).unwrap());
            let are = [agent, 70_002].map(|uid| operators.people.is_operator(uid));
            assert_eq!(are, expected, "{text}");
            assert_eq!(operators.setup.borrow().protection, protection, "{text}");
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode, "{text}");
        }
    }
}
