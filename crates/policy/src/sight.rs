//! What policies look at, so that nothing else of a question is made for them.
//!
//! An attribute that no policy of a slice names cannot change what any of them says: Cedar reaches into
//! records and entities by names that stand in the policy, and by nothing else. So the names are collected
//! when a set is loaded, and a question is put with what they name. Names count wherever they stand
//! (`resource.name` lets every `name` be seen), and a record that is used as a whole is made as a
//! whole: too much is only slower.

use std::borrow::Cow;
use std::collections::BTreeMap;

use cedar_policy_core::ast::{Expr, ExprKind, Var};

use crate::native::{Pair, Policy, Value, record};

/// The names that policies reach for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sight {
    /// Whether the context is used as a whole.
    all: bool,
    /// By name, whether what it names is used as a whole, too, and not only reached into.
    names: BTreeMap<String, bool>,
}

/// Everything.
pub(crate) static ALL: Sight = Sight { all: true, names: BTreeMap::new() };

impl Sight {
    /// What `policy` looks at. Recurses as deep as it nests.
    pub(crate) fn of(policy: &Policy) -> Self {
        let mut sight = Self::default();
        sight.value(&policy.condition());
        sight
    }

    /// What any of `all` looks at.
    pub(crate) fn of_any<'a>(all: impl IntoIterator<Item = &'a Self>) -> Cow<'a, Self> {
        let mut all = all.into_iter();
        let mut sight = all.next().map_or_else(Cow::default, Cow::Borrowed);
        for other in all {
            if !std::ptr::eq(other, sight.as_ref()) {
                sight.to_mut().add(other);
            }
        }
        sight
    }

    fn add(&mut self, other: &Self) {
        self.all |= other.all;
        for (name, whole) in &other.names {
            self.note(name, *whole);
        }
    }

    fn note(&mut self, name: &str, whole: bool) {
        match self.names.get_mut(name) {
            Some(known) => *known |= whole,
            None => drop(self.names.insert(name.to_owned(), whole)),
        }
    }

    /// Whether something of this name is looked at.
    fn sees(&self, name: &str) -> bool {
        self.all || self.names.contains_key(name)
    }

    /// What is looked at within the record `name`.
    fn within(&self, name: &str) -> &Self {
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
            | ExprKind::Or { left: one, right: other }
            | ExprKind::BinaryApp { arg1: one, arg2: other, .. } => self.values([&**one, &**other]),
            ExprKind::UnaryApp { arg: part, .. }
            | ExprKind::Like { expr: part, .. }
            | ExprKind::Is { expr: part, .. } => self.value(part),
            ExprKind::ExtensionFunctionApp { args: parts, .. } | ExprKind::Set(parts) => {
                self.values(parts.iter());
            }
            ExprKind::Record(parts) => self.values(parts.values()),
            // An entity as a value is its name.
            ExprKind::Lit(_) | ExprKind::Var(Var::Principal | Var::Action | Var::Resource) => {}
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

/// Attributes as far as they are looked at.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    sight: &'a Sight,
    pairs: Vec<Pair<'static>>,
}

impl<'a> Seen<'a> {
    /// None yet.
    pub(crate) fn new(sight: &'a Sight) -> Self {
        Self { sight, pairs: Vec::new() }
    }

    /// An attribute.
    pub(crate) fn add(&mut self, name: &'static str, value: impl FnOnce() -> Value) {
        if self.sight.sees(name) {
            self.pairs.push((name, value()));
        }
    }

    /// An attribute, if there is something to say.
    pub(crate) fn add_some<T>(
        &mut self,
        name: &'static str,
        said: Option<T>,
        value: impl FnOnce(T) -> Value,
    ) {
        if let Some(said) = said {
            self.add(name, || value(said));
        }
    }

    /// An attribute that is a record, of what `fill` says.
    pub(crate) fn add_record(&mut self, name: &'static str, fill: impl FnOnce(&mut Seen<'a>)) {
        let sight = self.sight.within(name);
        self.add(name, || {
            let mut within = Seen::new(sight);
            fill(&mut within);
            record(within.pairs)
        });
    }

    /// All of them.
    pub(crate) fn into_pairs(self) -> Vec<Pair<'static>> {
        self.pairs
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
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
        sight.names.iter().map(name).collect::<Vec<_>>().join(" ")
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
        let both = Sight::of_any([&a, &b]);
        assert_eq!(both.names.iter().filter(|(_, whole)| **whole).count(), 3);
        assert!(both.sees("x") && both.sees("b") && !both.sees("y"));
        assert!(both.within("a").sees("y") && !a.within("a").sees("y"));
        assert!(Sight::of_any([&a, &ALL]).sees("y") && !Sight::of_any([]).sees("a"));
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
            seen.add_some("x", x.then_some(1_i64), Value::from);
            seen.add_some("y", y.then_some(2_i64), Value::from);
        };
        let mut context = Seen::new(sight);
        if one {
            context.add_record("a", members);
        }
        if other {
            context.add_record("b", members);
        }
        context.add_some("c", flag.then_some(true), Value::from);
        let uids: [cedar_policy::EntityUid; 3] =
            ["U::\"1\"", "A::\"1\"", "R::\"1\""].map(|uid| uid.parse().unwrap());
        let mut agent = Seen::new(sight);
        agent.add_some("name", name.then_some("ann"), native::text);
        let agent = native::entity(&uids[0], agent.into_pairs(), &[]);
        let entities = native::entities(vec![agent]).unwrap();
        let [principal, action, resource] = &uids;
        let set = PolicySet::try_from_iter([policy.clone()]).unwrap();
        let context = native::context(context.into_pairs());
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
