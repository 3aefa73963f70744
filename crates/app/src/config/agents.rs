//! The agents, and the public keys by which some of them are known at the token endpoint.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use remit_jose::KeySet;
use remit_model::{Agent, AgentName};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};

use super::elsewhere::Federated;
use super::jwks::Jwks;
use crate::fail::Fail;

/// The `[[agent]]` tables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Agents {
    list: Vec<Agent>,
    sources: BTreeMap<AgentName, Jwks>,
    keys: BTreeMap<AgentName, Arc<KeySet>>,
    federated: BTreeMap<AgentName, Vec<Federated>>,
}

impl Deref for Agents {
    type Target = [Agent];

    fn deref(&self) -> &[Agent] {
        &self.list
    }
}

/// One table: an [`Agent`], where its keys are, and whom others call it. Those are no part of the agent,
/// which stands in every question on record.
struct Table(Agent, Option<Jwks>, Vec<Federated>);

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sift;
        impl<'de> Visitor<'de> for Sift {
            type Value = Table;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an agent")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Table, A::Error> {
                let mut beside = Beside::default();
                let rest = Rest { map, beside: &mut beside };
                let agent = Agent::deserialize(MapAccessDeserializer::new(rest))?;
                let Beside { file, set, federated } = beside;
                let jwks = Jwks::of(file, set).map_err(de::Error::custom)?;
                Ok(Table(agent, jwks, federated))
            }
        }
        deserializer.deserialize_map(Sift)
    }
}

/// The members of a table that say by what others know it.
#[derive(Default)]
struct Beside {
    file: Option<PathBuf>,
    set: Option<toml::Table>,
    federated: Vec<Federated>,
}

/// The members without those.
struct Rest<'a, A> {
    map: A,
    beside: &'a mut Beside,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Rest<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(name) = self.map.next_key::<String>()? {
            match name.as_str() {
                "jwks_file" => self.beside.file = Some(self.map.next_value()?),
                "jwks" => self.beside.set = Some(self.map.next_value()?),
                "federated" => self.beside.federated.append(&mut self.map.next_value()?),
                _ => return seed.deserialize(name.into_deserializer()).map(Some),
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

impl<'de> Deserialize<'de> for Agents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut agents = Self::default();
        for Table(agent, source, federated) in Vec::<Table>::deserialize(deserializer)? {
            if let Some(source) = source {
                agents.sources.insert(agent.name.clone(), source);
            }
            if !federated.is_empty() {
                agents.federated.insert(agent.name.clone(), federated);
            }
            agents.list.push(agent);
        }
        Ok(agents)
    }
}

impl Agents {
    /// Reads the keys; files are relative to `base`.
    ///
    /// Errors: a file cannot be read, or holds no set of public keys; the text names the agent.
    pub(crate) fn read_keys(&mut self, base: &Path) -> Result<(), Fail> {
        for (agent, source) in &self.sources {
            let within = |why: Fail| Fail::new(format!("agent `{agent}`: {why}"));
            self.keys.insert(agent.clone(), source.read(base).map_err(within)?);
        }
        Ok(())
    }

    /// The keys, by agent.
    pub(crate) fn keys(&self) -> &BTreeMap<AgentName, Arc<KeySet>> {
        &self.keys
    }

    /// By what others know them.
    pub(crate) fn federated(&self) -> &BTreeMap<AgentName, Vec<Federated>> {
        &self.federated
    }

    /// The thumbprints of all keys, for whoever looks for a change.
    pub(crate) fn thumbprints(&self) -> String {
        let sets =
            self.keys.iter().map(|(agent, keys)| format!("{agent} {:?}", keys.thumbprints()));
        sets.collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        r#"{ kty = "OKP", crv = "Ed25519", x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }"#;

    #[derive(Debug, Deserialize)]
    struct File {
        agent: Agents,
    }

    fn read(more: &str, base: &Path) -> Result<Agents, String> {
        let text = format!("[[agent]]\nname = \"bot\"\nowner = \"ops\"\n{more}");
        let mut file: File = toml::from_str(&text).map_err(|why| why.to_string())?;
        file.agent.read_keys(base).map_err(|why| why.to_string())?;
        Ok(file.agent)
    }

    #[test]
    fn keys_stand_in_the_table_or_in_a_file_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let json = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        std::fs::write(dir.path().join("bot.jwks"), json).unwrap();
        let inline = read(&format!("jwks = {{ keys = [{KEY}] }}"), dir.path()).unwrap();
        let file = read("jwks_file = \"bot.jwks\"", dir.path()).unwrap();
        assert_eq!(inline.thumbprints(), file.thumbprints());
        assert_eq!((inline.len(), inline.keys().len()), (1, 1));
        assert!(read("", dir.path()).unwrap().keys().is_empty());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("private.jwks"), r#"{"keys":[{"kty":"EC","d":"x"}]}"#)
            .unwrap();
        for (more, why) in [
            ("jwks_file = \"none\"", "agent `bot`"),
            ("jwks_file = \"private.jwks\"", "private member `d`"),
            ("jwks = { keys = [] }", "it holds 0 of them"),
            ("jwks = \"x\"", "line 4"),
            (&format!("jwks_file = \"a\"\njwks = {{ keys = [{KEY}] }}"), "got both"),
            ("jkws_file = \"a\"", "jkws_file"),
        ] {
            let error = read(more, dir.path()).unwrap_err();
            assert!(error.contains(why), "{more}: {error}");
        }
    }
}
