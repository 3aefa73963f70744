//! How a remit is cut to what a server understands: clauses that hold where the remit covers a tool.

use remit_model::ToolPattern;
use remit_ports::Holder;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

/// What whoever may use certain tools may do at the server behind them.
#[derive(Clone, Debug)]
pub struct Clause<T> {
    /// Holds where the remit covers at least one tool that one of these names.
    pub tools: Vec<ToolPattern>,
    /// What then may be done, in the issuer's own terms.
    pub what: T,
}

/// `tools`, and beside it the members of `T`, which refuses those it does not know.
impl<'de, T: DeserializeOwned> Deserialize<'de> for Clause<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = toml::Table::deserialize(deserializer)?;
        let tools = table.remove("tools").ok_or_else(|| D::Error::missing_field("tools"))?;
        let within = |why: toml::de::Error| D::Error::custom(why.to_string().trim_end());
        Ok(Self {
            tools: tools.try_into().map_err(within)?,
            what: table.try_into().map_err(within)?,
        })
    }
}

/// What `holder` may do: of `clauses` those that hold, in the order of the configuration.
pub fn granted<'a, T>(clauses: &'a [Clause<T>], holder: &'a Holder) -> impl Iterator<Item = &'a T> {
    let holds = |clause: &&Clause<T>| {
        let covers = |name: &String| clause.tools.iter().any(|pattern| pattern.covers(name));
        holder.tools.iter().any(covers)
    };
    clauses.iter().filter(holds).map(|clause| &clause.what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct What {
        roles: Vec<String>,
    }

    #[test]
    fn a_clause_refuses_what_nobody_knows() {
        let read = toml::from_str::<Clause<What>>;
        let clause = read("tools = [\"db/*\"]\nroles = [\"r\"]\n").unwrap();
        assert_eq!((clause.tools.len(), clause.what.roles), (1, vec!["r".to_owned()]));
        for (text, why) in [
            ("roles = [\"r\"]\n", "tools"),
            ("tools = [\"db/*\"]\n", "roles"),
            ("tools = [\"nothing\"]\nroles = []\n", "tool pattern"),
            ("tools = [\"db/*\"]\nroles = []\nrole = \"r\"\n", "role"),
        ] {
            let said = read(text).unwrap_err().to_string();
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    #[test]
    fn a_clause_holds_where_the_remit_covers_one_of_its_tools() {
        let clause = |tools: &[&str], what| Clause {
            tools: tools.iter().map(|tool| tool.parse().unwrap()).collect(),
            what,
        };
        let clauses = [clause(&["db/query", "db/list_*"], 'r'), clause(&["db/insert"], 'w')];
        let may = |tools: &[&str]| {
            let tools = tools.iter().map(|&tool| tool.to_owned()).collect();
            let holder = Holder { agent: None, task: None, on_behalf: None, tools };
            granted(&clauses, &holder).collect::<String>()
        };
        assert_eq!(may(&["db/query", "db/insert"]), "rw");
        assert_eq!(may(&["db/list_tables", "mail/send"]), "r");
        assert_eq!(may(&["mail/query"]), "");
        assert_eq!(may(&[]), "", "Remit itself may do nothing there");
    }
}
