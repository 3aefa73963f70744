//! Sealed storage in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;

use remit_model::agent::NameError;
use remit_model::{Secret, SecretName};
use remit_ports::{SecretError, Secrets};

/// Keeps secrets for as long as it lives.
#[derive(Debug, Default)]
pub struct MemorySecrets(Mutex<BTreeMap<SecretName, Secret>>);

impl MemorySecrets {
    /// Storage that holds one secret.
    ///
    /// Errors: `name` is none.
    pub fn with(name: &str, text: &str) -> Result<Self, NameError> {
        let (name, secret) = (name.parse()?, Secret::new(text.to_owned()));
        Ok(Self(Mutex::new(BTreeMap::from([(name, secret)]))))
    }
}

impl Secrets for MemorySecrets {
    fn read(&self, name: &SecretName) -> Result<Secret, SecretError> {
        let kept = self.0.lock().map_err(|why| SecretError::Failed(why.to_string()))?;
        kept.get(name).cloned().ok_or_else(|| SecretError::Missing(name.clone()))
    }

    fn keep(&self, name: &SecretName, secret: &Secret) -> Result<(), SecretError> {
        let mut kept = self.0.lock().map_err(|why| SecretError::Failed(why.to_string()))?;
        kept.insert(name.clone(), secret.clone());
        Ok(())
    }
}
