//! What policies look at, so that nothing else of a question is made for them.
//!
//! An attribute that no policy of a slice names cannot change what any of them says: Cedar reaches into
//! records and entities by names that stand in the policy, and by nothing else. So the names are collected
//! when a set is loaded, and a question is put with what they name. Names count wherever they stand
//! (`resource.name` lets every `name` be seen), and a record that is used as a whole is made as a
//! whole: too much is only slower.
//!
//! Which entity one is counts only where a policy compares it, looks for it in another or names it:
//! where one is only reached into, any other that has the same would do.

use std::borrow::Cow;
use std::sync::Arc;

use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, Literal, Var};
use foldhash::fast::FixedState;

use crate::fact::{Fact, Facts};
use crate::names::GROUP;
use crate::native::Policy;

/// The names that policies reach for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sight {
    /// Whether the context is used as a whole.
    all: bool,
    /// Whether it counts which entity one is, and what it is in, and not only what it has.
    which: bool,
    /// By name, whether what it names is used as a whole, too, and not only reached into.
    names: ByName,
    /// The marks of all names, so that most of the others need not be looked for.
    marks: u64,
}

#[expect(
    clippy::disallowed_types,
    reason = "asked some hundred times a question, and walked where order is nothing"
)]
type ByName = std::collections::HashMap<String, bool, FixedState>;

/// Everything.
pub(crate) static ALL: Sight = Sight {
    all: true,
    which: true,
    names: ByName::with_hasher(FixedState::with_seed(0)),
    marks: 0,
};

impl Sight {
    /// What `policy` looks at. Recurses as deep as it nests.
    pub(crate) fn of(policy: &Policy) -> Self {
        let mut sight = Self::default();
        sight.value(&policy.condition());
        sight
    }

    /// What any of `all` looks at.
    pub(crate) fn of_any<'a>(all: impl IntoIterator<Item = &'a Arc<Self>>) -> Arc<Self> {
        let mut all = all.into_iter();
        let mut sight = all.next().map_or_else(Arc::default, Arc::clone);
        for other in all {
            if !Arc::ptr_eq(other, &sight) {
                Arc::make_mut(&mut sight).add(other);
            }
        }
        sight
    }

    #[expect(clippy::iter_over_hash_type, reason = "in whatever order, the same comes of it")]
    fn add(&mut self, other: &Self) {
        self.all |= other.all;
        self.which |= other.which;
        for (name, whole) in &other.names {
            self.note(name, *whole);
        }
    }

    fn note(&mut self, name: &str, whole: bool) {
        self.marks |= mark(name);
        match self.names.get_mut(name) {
            Some(known) => *known |= whole,
            None => drop(self.names.insert(name.to_owned(), whole)),
        }
    }

    /// Whether it counts which entity one is: one is compared, or is looked for in another.
    pub(crate) fn tells_apart(&self) -> bool {
        self.all || self.which
    }

    /// Whether something of this name is looked at.
    pub(crate) fn sees(&self, name: &str) -> bool {
        self.all || (self.marks & mark(name) != 0 && self.names.contains_key(name))
    }

    /// What is looked at within the record `name`.
    pub(crate) fn within(&self, name: &str) -> &Self {
        if self.names.get(name).is_some_and(|whole| *whole) { &ALL } else { self }
    }

    /// An expression whose value is used.
    fn value(&mut self, expr: &Expr) {
        match expr.expr_kind() {
            ExprKind::GetAttr { expr, attr } => {
                self.note(attr, true);
                self.reached(expr);
            }
            ExprKind::HasAttr { expr, attr } => {
                self.note(attr, false);
                self.reached(expr);
            }
            ExprKind::ExtHasAttr { expr, attrs } => {
                for attr in attrs {
                    self.note(attr, false);
                }
                self.reached(expr);
            }
            ExprKind::If { test_expr, then_expr, else_expr } => {
                self.values([&**test_expr, &**then_expr, &**else_expr]);
            }
            ExprKind::And { left: one, right: other }
            | ExprKind::Or { left: one, right: other } => self.values([&**one, &**other]),
            ExprKind::BinaryApp { arg1: one, arg2: other, op } => {
                // What an entity is in, and its tags, are its own, wherever it was found.
                let own = matches!(op, BinaryOp::In | BinaryOp::GetTag | BinaryOp::HasTag);
                self.which |= own && !is_group_itself(other);
                self.values([&**one, &**other]);
            }
            ExprKind::UnaryApp { arg: part, .. }
            | ExprKind::Like { expr: part, .. }
            | ExprKind::Is { expr: part, .. } => self.value(part),
            ExprKind::ExtensionFunctionApp { args: parts, .. } | ExprKind::Set(parts) => {
                self.values(parts.iter());
            }
            ExprKind::Record(parts) => self.values(parts.values()),
            // An entity as a value is its name. Groups of approvers are none of a question's corners;
            // what names one is an attribute.
            ExprKind::Var(Var::Principal | Var::Action | Var::Resource) => self.which = true,
            ExprKind::Lit(Literal::EntityUID(_)) => self.which |= !is_group_itself(expr),
            ExprKind::Lit(_) => {}
            ExprKind::Var(Var::Context) | ExprKind::Slot(_) | ExprKind::Unknown(_) => {
                self.all = true;
            }
        }
    }

    fn values<'e>(&mut self, parts: impl IntoIterator<Item = &'e Expr>) {
        for part in parts {
            self.value(part);
        }
    }

    /// An expression of which only what it has is used.
    fn reached(&mut self, expr: &Expr) {
        match expr.expr_kind() {
            ExprKind::Var(_) => {}
            ExprKind::GetAttr { expr, attr } => {
                self.note(attr, false);
                self.reached(expr);
            }
            _ => self.value(expr),
        }
    }
}

/// One of 64 bits, by the length and the ends of a name.
fn mark(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let [first, last] = [bytes.first(), bytes.last()].map(|byte| byte.map_or(0, |it| *it));
    1 << ((bytes.len() + 5 * usize::from(first) + 11 * usize::from(last)) % 64)
}

/// Whether it names a group of approvers.
fn is_group_itself(expr: &Expr) -> bool {
    let ExprKind::Lit(Literal::EntityUID(uid)) = expr.expr_kind() else { return false };
    AsRef::<str>::as_ref(&uid.entity_type().name().basename()) == GROUP
}

/// Attributes as far as they are looked at.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    sight: &'a Sight,
    facts: Facts<'a>,
}

impl<'a> Seen<'a> {
    /// None yet.
    pub(crate) fn new(sight: &'a Sight) -> Self {
        Self { sight, facts: Vec::new() }
    }

    /// An attribute.
    pub(crate) fn add(&mut self, name: &'static str, fact: impl FnOnce() -> Fact<'a>) {
        if self.sight.sees(name) {
            self.facts.push((Cow::Borrowed(name), fact()));
        }
    }

    /// An attribute, if there is something to say.
    pub(crate) fn add_some<T>(
        &mut self,
        name: &'static str,
        said: Option<T>,
        fact: impl FnOnce(T) -> Fact<'a>,
    ) {
        if let Some(said) = said {
            self.add(name, || fact(said));
        }
    }

    /// An attribute that is a record, of what `fill` says.
    pub(crate) fn add_record(&mut self, name: &'static str, fill: impl FnOnce(&mut Self)) {
        let sight = self.sight.within(name);
        self.add(name, || {
            let mut within = Self::new(sight);
            fill(&mut within);
            Fact::Record(within.facts)
        });
    }

    /// All of them.
    pub(crate) fn into_facts(self) -> Facts<'a> {
        self.facts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fact::{pairs, text};
    use crate::moments::Moments;
    use crate::native::{self, PolicySet};

    fn policy(conditions: &str) -> Policy {
        let text = format!("permit (principal, action, resource) {conditions};");
        native::conditions("p", &text).unwrap()
    }

    fn names(condition: &str) -> String {
        let sight = Sight::of(&policy(condition));
        if sight.all {
            return "everything".to_owned();
        }
        let name =
            |(name, whole): (&String, &bool)| format!("{name}{}", if *whole { "!" } else { "" });
        let mut names: Vec<_> = sight.names.iter().map(name).collect();
        names.sort();
        names.join(" ")
    }

    #[test]
    fn names_are_seen_where_they_stand_and_records_as_a_whole_where_they_are_used_so() {
        for (condition, expected) in [
            ("", ""),
            ("when { context.tool.known }", "known! tool"),
            ("when { context has approval && context.approval.by == \"a\" }", "approval by!"),
            ("when { context has task.on_behalf }", "on_behalf task"),
            ("when { context.task == context.other }", "other! task!"),
            ("when { [context.task].contains({id: context.now}) }", "now! task!"),
            ("when { (if context.a then context.b else context.c).d }", "a! b! c! d!"),
            ("when { {x: context.task}.x.id == 1 }", "id! task! x"),
            ("when { context[\"t\\u{61}sk\"].id == 1 }", "id! task"),
            ("when { context has \"t\\u{61}sk\" }", "task"),
            ("when { resource.server.name like \"a*\" }", "name! server"),
            ("when { principal in resource && principal is Remit::Agent }", ""),
            ("when { context.now < datetime(\"2026-01-01\") }", "now!"),
            ("when { !context.a || -context.b > 0 }", "a! b!"),
            ("when { context == {} }", "everything"),
            ("when { [context].isEmpty() }", "everything"),
            ("when { {x: context}.x.y == 1 }", "everything"),
        ] {
            assert_eq!(names(condition), expected, "{condition}");
        }
    }

    #[test]
    fn of_several_everything_counts_that_one_of_them_sees() {
        let see = |text: &str| Sight::of(&policy(&format!("when {{ {text} }}")));
        let (a, b) = (see("context.a.x"), see("context.a == 1 && context.b"));
        let (a, b, all) = (Arc::new(a), Arc::new(b), Arc::new(ALL.clone()));
        let both = Sight::of_any([&a, &b]);
        assert_eq!(both.names.iter().filter(|(_, whole)| **whole).count(), 3);
        assert!(both.sees("x") && both.sees("b") && !both.sees("y"));
        assert!(both.within("a").sees("y") && !a.within("a").sees("y"));
        assert!(Sight::of_any([&a, &all]).sees("y") && !Sight::of_any([]).sees("a"));
    }

    /// Conditions on a context of records `a` and `b` and a flag `c`, and on an agent with a name.
    fn condition() -> impl Strategy<Value = String> {
        let atom = prop::sample::select(vec![
            "context has a",
            "context has a.x",
            "context.a has y",
            "context.a.x == 1",
            "context.b.y == 2",
            "context.c",
            "context.a == context.b",
            "[context.a].contains(context.b)",
            "(if context.c then context.a else context.b).x == 1",
            "(if context.c then context.a else context.b) has y",
            "{k: context.a}.k.y == 2",
            "{k: context.a} == {k: {x: 1}}",
            "context == {c: true}",
            "{k: context}.k has a",
            "principal has name",
            "principal.name like \"a*\"",
        ]);
        atom.prop_map(|atom| format!("({atom})")).prop_recursive(3, 12, 2, |inner| {
            prop_oneof![
                inner.clone().prop_map(|it| format!("(!{it})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
                (inner.clone(), inner).prop_map(|(a, b)| format!("({a} || {b})")),
            ]
        })
    }

    /// What a policy says of a context and an agent that are made as far as `sight` goes.
    fn answer(policy: &Policy, sight: &Sight, there: [bool; 6]) -> String {
        let [one, other, flag, x, y, name] = there;
        let members = |seen: &mut Seen<'_>| {
            seen.add_some("x", x.then_some(1), Fact::Long);
            seen.add_some("y", y.then_some(2), Fact::Long);
        };
        let mut context = Seen::new(sight);
        if one {
            context.add_record("a", members);
        }
        if other {
            context.add_record("b", members);
        }
        context.add_some("c", flag.then_some(true), Fact::Flag);
        let uids: [cedar_policy::EntityUid; 3] =
            ["U::\"1\"", "A::\"1\"", "R::\"1\""].map(|uid| uid.parse().unwrap());
        let mut agent = Seen::new(sight);
        agent.add_some("name", name.then_some("ann"), text);
        let moments = Moments::default();
        let (agent, context) = (agent.into_facts(), context.into_facts());
        let agent = native::entity(&uids[0], pairs(&agent, &moments), &[]);
        let entities = native::entities(vec![agent]).unwrap();
        let [principal, action, resource] = &uids;
        let set = PolicySet::try_from_iter([policy.clone()]).unwrap();
        let context = native::context(pairs(&context, &moments));
        let response = native::ask(&set, (principal, action, resource), context, &entities);
        format!("{:?}, failed: {}", response.decision, !response.diagnostics.errors.is_empty())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]
        #[test]
        fn what_nobody_looks_at_changes_no_answer(
            condition in condition(),
            there in any::<[bool; 6]>(),
        ) {
            let policy = policy(&format!("when {{ {condition} }}"));
            let pruned = answer(&policy, &Sight::of(&policy), there);
            prop_assert_eq!(pruned, answer(&policy, &ALL, there), "{}", condition);
        }
    }
}
