//! Sealed storage in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;

use remit_model::agent::NameError;
use remit_model::{Secret, SecretName};
use remit_ports::{SecretError, Secrets};

use crate::fault::{Fault, lock};

/// Secrets that are kept until the test ends.
#[derive(Debug, Default)]
pub struct MemorySecrets {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    secrets: BTreeMap<SecretName, Secret>,
    fault: Option<Fault>,
}

impl MemorySecrets {
    /// Storage that holds one secret.
    ///
    /// Errors: `name` is none.
    pub fn with(name: &str, text: &str) -> Result<Self, NameError> {
        let secrets = BTreeMap::from([(name.parse()?, Secret::new(text.to_owned()))]);
        Ok(Self { state: Mutex::new(State { secrets, fault: None }) })
    }

    /// The next secret that is to be kept fails.
    pub fn fail_next(&self, fault: Fault) {
        lock(&self.state).fault = Some(fault);
    }

    /// All that is kept.
    pub fn all(&self) -> BTreeMap<SecretName, Secret> {
        lock(&self.state).secrets.clone()
    }
}

impl Secrets for MemorySecrets {
    fn read(&self, name: &SecretName) -> Result<Secret, SecretError> {
        let secret = lock(&self.state).secrets.get(name).cloned();
        secret.ok_or_else(|| SecretError::Missing(name.clone()))
    }

    fn keep(&self, name: &SecretName, secret: &Secret) -> Result<(), SecretError> {
        let mut state = lock(&self.state);
        let fault = state.fault.take();
        if fault != Some(Fault::Before) {
            state.secrets.insert(name.clone(), secret.clone());
        }
        fault.map_or(Ok(()), |_| Err(SecretError::Failed("the test wanted it".to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_replaced_and_a_fault_comes_in_two_kinds() {
        let secrets = MemorySecrets::with("api", "one").unwrap();
        let name: SecretName = "api".parse().unwrap();
        let other: SecretName = "other".parse().unwrap();
        let secret = |text: &str| Secret::new(text.to_owned());
        assert_eq!(secrets.read(&other), Err(SecretError::Missing(other)));
        secrets.fail_next(Fault::Before);
        assert!(secrets.keep(&name, &secret("two")).is_err());
        assert_eq!(secrets.read(&name), Ok(secret("one")));
        secrets.fail_next(Fault::After);
        assert!(secrets.keep(&name, &secret("two")).is_err());
        assert_eq!(secrets.read(&name), Ok(secret("two")));
    }
}
