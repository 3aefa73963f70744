//! The log against a tool server's own record of its calls, both ways (promise R9): what the server
//! saw and no permit covers, and what the log says was answered and the server never saw.
//!
//! Nothing that is sent carries the number of its decision: servers that somebody else wrote would
//! not write it down. So calls are matched as multisets, by tool and by the digest of the call where
//! the server kept the arguments. Of identical calls it can be said how many are too many, not which.

use std::collections::BTreeMap;

use remit_model::{Call, Digest, Operation, ServerName, Value};
use remit_ports::{Entry, Kind, Outcome};

/// A call, or several identical ones, as the server wrote down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The line of its log.
    pub line: u64,
    /// The tool, as the server names it.
    pub tool: String,
    /// The digest of the call, where the arguments are known.
    pub call: Option<Digest>,
    /// How many.
    pub count: u64,
}

/// The digest that the log holds of a call of `tool` of `server` with these arguments.
pub fn call_digest(server: &ServerName, tool: &str, arguments: &Value) -> Digest {
    let call = Call {
        server: server.clone(),
        operation: Operation::CallTool { name: tool.to_owned() },
        method: "tools/call".to_owned(),
        params: "".into(),
    };
    call.digest(arguments)
}

/// Calls of one kind that are on one side only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excess {
    /// The tool.
    pub tool: String,
    /// The digest of the call, where it is known.
    pub call: Option<Digest>,
    /// How many are too many.
    pub count: u64,
    /// Where they can be found, among identical ones that are in order: lines of the server's log,
    /// or entries of this one.
    pub among: Vec<u64>,
}

/// What stands in place of a tool's name where no tool is called. A server's log of its calls has nothing
/// of it, so it says nothing about such a permit either.
const NO_TOOLS: [&str; 2] = ["@resources", "@prompts"];

/// How the two compare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Calls on both sides.
    pub matched: u64,
    /// Calls that the server saw and no permit covers.
    pub unrecorded: Vec<Excess>,
    /// Calls that were answered by the log, and that the server did not see.
    pub unseen: Vec<Excess>,
    /// Permits of which the log cannot say whether they arrived, and that the server did not see.
    pub undecided: u64,
}

impl Reconciled {
    /// Whether each side holds what the other does.
    pub fn agrees(&self) -> bool {
        self.unrecorded.is_empty() && self.unseen.is_empty()
    }
}

/// Whether a permitted call must have reached its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    /// It answered.
    Sure,
    /// Nobody knows, or it answered that it did not do it.
    Open,
    /// It was not sent.
    Never,
}

/// The permits of one server's tool calls, gathered entry by entry.
#[derive(Debug)]
pub struct Permits {
    prefix: String,
    calls: BTreeMap<u64, (String, Option<Digest>, Arrival)>,
}

impl Permits {
    /// Those for tool calls of `server`; none so far.
    pub fn of(server: &ServerName) -> Self {
        Self { prefix: format!("{server}/"), calls: BTreeMap::new() }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.calls.len()
    }

    /// Takes the next entry of the log.
    pub fn take(&mut self, index: u64, entry: &Entry) {
        let tool = entry.clear.tool.as_deref().and_then(|tool| tool.strip_prefix(&self.prefix));
        let tool = tool.filter(|tool| !NO_TOOLS.contains(tool));
        match (entry.kind, tool) {
            (Kind::Decision, Some(tool)) => {
                self.calls.insert(index, (tool.to_owned(), entry.clear.call, Arrival::Open));
            }
            (Kind::Outcome, _) => {
                let decision = entry.parents.first().map(|parent| parent.index);
                let call = decision.and_then(|decision| self.calls.get_mut(&decision));
                if let (Some(call), Some(outcome)) = (call, &entry.clear.outcome) {
                    call.2 = arrival(outcome);
                }
            }
            _ => {}
        }
    }

    /// Holds the permits against what the server saw.
    pub fn against(self, seen: &[Seen]) -> Reconciled {
        let mut tools: BTreeMap<String, Tool> = BTreeMap::new();
        for (index, (tool, call, arrival)) in self.calls {
            let group = tools.entry(tool).or_default().groups.entry(call).or_default();
            match arrival {
                Arrival::Sure => group.sure.push(index),
                Arrival::Open => group.open.push(index),
                Arrival::Never => {}
            }
        }
        for one in seen {
            let tool = tools.entry(one.tool.clone()).or_default();
            let seen = match one.call {
                Some(_) => &mut tool.groups.entry(one.call).or_default().seen,
                None => &mut tool.nameless,
            };
            seen.0 = seen.0.saturating_add(one.count);
            seen.1.push(one.line);
        }
        let mut found = Reconciled::default();
        for (name, tool) in tools {
            tool.settle(&name, &mut found);
        }
        found
    }
}

fn arrival(outcome: &Outcome) -> Arrival {
    match outcome {
        Outcome::Answered { failed: false, .. } => Arrival::Sure,
        Outcome::Answered { failed: true, .. } | Outcome::Unknown { .. } | Outcome::Unseen => {
            Arrival::Open
        }
        Outcome::Stopped | Outcome::NotSent { .. } => Arrival::Never,
    }
}

/// How many were seen, and on which lines.
type Lines = (u64, Vec<u64>);

/// Identical calls.
#[derive(Debug, Default)]
struct Group {
    sure: Vec<u64>,
    open: Vec<u64>,
    seen: Lines,
}

/// The calls of one tool.
#[derive(Debug, Default)]
struct Tool {
    groups: BTreeMap<Option<Digest>, Group>,
    /// Calls seen whose arguments the server did not keep.
    nameless: Lines,
}

impl Tool {
    /// First what can be told apart, then the rest by number.
    fn settle(mut self, tool: &str, found: &mut Reconciled) {
        for (call, group) in &mut self.groups {
            let left = group.pair(group.seen.0, found);
            if left > 0 {
                let (tool, among) = (tool.to_owned(), std::mem::take(&mut group.seen.1));
                found.unrecorded.push(Excess { tool, call: *call, count: left, among });
            }
        }
        let (mut left, among) = self.nameless;
        for group in self.groups.values_mut() {
            left = group.pair_sure(left, found);
        }
        for (call, group) in self.groups {
            left = group.finish(left, (tool, call), found);
        }
        if left > 0 {
            let tool = tool.to_owned();
            found.unrecorded.push(Excess { tool, call: None, count: left, among });
        }
    }
}

impl Group {
    /// Pairs `seen` calls with permits, surest first; returns how many have none.
    fn pair(&mut self, seen: u64, found: &mut Reconciled) -> u64 {
        let left = self.pair_sure(seen, found);
        left.saturating_sub(shorten(&mut self.open, left, found))
    }

    fn pair_sure(&mut self, seen: u64, found: &mut Reconciled) -> u64 {
        seen.saturating_sub(shorten(&mut self.sure, seen, found))
    }

    /// Pairs what is left with permits that may have arrived, and tells of those that did and were
    /// not seen.
    fn finish(
        mut self,
        seen: u64,
        (tool, call): (&str, Option<Digest>),
        found: &mut Reconciled,
    ) -> u64 {
        let left = seen.saturating_sub(shorten(&mut self.open, seen, found));
        found.undecided = found.undecided.saturating_add(self.open.len() as u64);
        if !self.sure.is_empty() {
            let (tool, count) = (tool.to_owned(), self.sure.len() as u64);
            found.unseen.push(Excess { tool, call, count, among: self.sure });
        }
        left
    }
}

/// Takes up to `most` permits away as matched, the oldest first; returns how many.
fn shorten(permits: &mut Vec<u64>, most: u64, found: &mut Reconciled) -> u64 {
    let taken = usize::try_from(most).unwrap_or(usize::MAX).min(permits.len());
    permits.drain(..taken);
    found.matched = found.matched.saturating_add(taken as u64);
    taken as u64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OK: Outcome = Outcome::Answered { bytes: 2, failed: false };
    const FAILED: Outcome = Outcome::Answered { bytes: 2, failed: true };

    fn unknown() -> Outcome {
        Outcome::Unknown { why: "a crash".to_owned() }
    }

    fn digest(n: u8) -> Digest {
        Digest::of(&[n])
    }

    /// Permits for `mail/send`: of which call, and what became of it.
    fn permits(calls: &[(u8, Option<Outcome>)]) -> Permits {
        let mut permits = Permits::of(&"mail".parse().unwrap());
        for (index, (call, outcome)) in (0..).zip(calls) {
            permits.calls.insert(index, ("send".to_owned(), Some(digest(*call)), Arrival::Open));
            if let (Some(outcome), Some(call)) = (outcome, permits.calls.get_mut(&index)) {
                call.2 = arrival(outcome);
            }
        }
        permits
    }

    /// Lines of the server's log: of which call, if it kept that, and how many.
    fn seen(lines: &[(Option<u8>, u64)]) -> Vec<Seen> {
        let line = |(line, (call, count)): (u64, &(Option<u8>, u64))| Seen {
            line,
            tool: "send".to_owned(),
            call: call.map(digest),
            count: *count,
        };
        (1..).zip(lines).map(line).collect()
    }

    fn counts(found: &[Excess]) -> Vec<(Option<Digest>, u64)> {
        found.iter().map(|excess| (excess.call, excess.count)).collect()
    }

    #[test]
    fn the_digest_of_a_call_is_the_documented_one() {
        // By hashlib, from the parts in docs/record-schema.md.
        let expected = "50c12760f76a7a28a742e3404f6d70bd54d6603197534c072e53552ab3098a45";
        let arguments = Value::parse(r#"{"to": "a@example.com", "n": 1.50}"#).unwrap();
        let digest = call_digest(&"mail".parse().unwrap(), "send", &arguments);
        assert_eq!(digest.to_string(), expected);
    }

    #[test]
    fn both_sides_agree_whatever_the_order() {
        let calls = [(1, Some(OK)), (2, Some(OK)), (1, Some(OK)), (3, Some(Outcome::Stopped))];
        for lines in [
            &[(Some(1), 1), (Some(1), 1), (Some(2), 1)][..],
            &[(Some(2), 1), (Some(1), 2)],
            &[(None, 3)],
            &[(Some(2), 1), (None, 2)],
        ] {
            let found = permits(&calls).against(&seen(lines));
            assert!(found.agrees(), "{lines:?}: {found:?}");
            assert_eq!((found.matched, found.undecided), (3, 0), "{lines:?}");
        }
    }

    #[test]
    fn a_call_behind_the_gateways_back_is_found() {
        let calls = [(1, Some(OK)), (2, Some(OK))];
        let found = permits(&calls).against(&seen(&[(Some(1), 2), (Some(2), 1), (Some(9), 1)]));
        let both = BTreeMap::from([(Some(digest(1)), 1), (Some(digest(9)), 1)]);
        assert_eq!(counts(&found.unrecorded), both.into_iter().collect::<Vec<_>>());
        assert!(found.unseen.is_empty() && !found.agrees());
        let found = permits(&calls).against(&seen(&[(None, 3)]));
        assert_eq!(counts(&found.unrecorded), [(None, 1)]);
        let mut other = seen(&[(Some(1), 1), (Some(2), 1), (None, 1)]);
        other[2].tool = "delete".to_owned();
        let found = permits(&calls).against(&other);
        assert_eq!((found.unrecorded[0].tool.as_str(), found.unrecorded[0].count), ("delete", 1));
        assert_eq!(found.unrecorded[0].among, [3], "the line of the server's log");
    }

    #[test]
    fn a_stopped_call_that_arrived_is_unrecorded() {
        for outcome in [Outcome::Stopped, Outcome::NotSent { why: String::new() }] {
            let found = permits(&[(1, Some(outcome))]).against(&seen(&[(Some(1), 1)]));
            assert_eq!(counts(&found.unrecorded), [(Some(digest(1)), 1)]);
        }
    }

    #[test]
    fn an_answer_that_nobody_gave_is_found() {
        let calls = [(1, Some(OK)), (1, Some(OK)), (2, Some(OK))];
        let found = permits(&calls).against(&seen(&[(Some(1), 1), (Some(2), 1)]));
        assert_eq!(counts(&found.unseen), [(Some(digest(1)), 1)]);
        assert_eq!(found.unseen[0].among, [1], "entries of this log");
        assert!(found.unrecorded.is_empty());
        let found = permits(&calls).against(&seen(&[(None, 2)]));
        assert_eq!(found.unseen.iter().map(|excess| excess.count).sum::<u64>(), 1);
    }

    #[test]
    fn what_nobody_knows_may_be_either() {
        for outcome in [None, Some(unknown()), Some(FAILED), Some(Outcome::Unseen)] {
            let calls = [(1, outcome), (1, Some(OK))];
            let arrived = permits(&calls).against(&seen(&[(Some(1), 2)]));
            assert!(arrived.agrees() && arrived.undecided == 0, "{arrived:?}");
            let lost = permits(&calls).against(&seen(&[(Some(1), 1)]));
            assert!(lost.agrees() && lost.undecided == 1, "the sure one was seen: {lost:?}");
            let none = permits(&calls).against(&[]);
            assert_eq!((counts(&none.unseen), none.undecided), (vec![(Some(digest(1)), 1)], 1));
        }
    }

    #[test]
    fn reads_of_resources_and_prompts_are_no_calls_that_a_tool_server_would_have_seen() {
        let digest = Digest::of(b"pins");
        let entry = |kind: &str, clear: serde_json::Value, parents: serde_json::Value| -> Entry {
            let entry = json!({
                "catalogue": digest, "clear": clear, "engine": "test 1", "epoch": 0, "kind": kind,
                "mono": 0, "node": "node", "parents": parents, "policy": digest, "schema": digest,
                "seq": 0, "v": 1, "wall": 0,
            });
            serde_json::from_value(entry).unwrap()
        };
        let server: ServerName = "mail".parse().unwrap();
        let mut permits = Permits::of(&server);
        let operations = [
            Operation::ReadResource { uri: "file:///a".to_owned() },
            Operation::GetPrompt { name: "greet".to_owned() },
            Operation::CallTool { name: "send".to_owned() },
        ];
        for (index, operation) in (0..).step_by(2).zip(operations) {
            let (method, params) = (String::new(), "".into());
            let call = Call { server: server.clone(), operation, method, params };
            let decided = json!({ "tool": call.scope_name(), "what": "permit" });
            permits.take(index, &entry("decision", decided, json!([])));
            let answered = json!({ "outcome": OK, "what": "outcome" });
            let decision = json!([{ "index": index, "origin": "log.example" }]);
            permits.take(index + 1, &entry("outcome", answered, decision));
        }
        assert_eq!(permits.count(), 1);
        let found = permits.against(&seen(&[(None, 1)]));
        assert!(found.agrees() && found.matched == 1, "{found:?}");
    }
}
