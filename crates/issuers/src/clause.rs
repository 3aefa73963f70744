//! How a remit is cut to what a server understands: clauses that hold where the remit covers a tool.

use remit_model::ToolPattern;
use remit_ports::Holder;
use serde::Deserialize;

/// What whoever may use certain tools may do at the server behind them.
#[derive(Clone, Debug, Deserialize)]
pub struct Clause<T> {
    /// Holds where the remit covers at least one tool that one of these names.
    pub tools: Vec<ToolPattern>,
    /// What then may be done, in the issuer's own terms.
    #[serde(flatten)]
    pub what: T,
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
