//! What calling a tool does: the verb in its name, raised by arguments and description.
//!
//! | a name that | is | for example |
//! |---|---|---|
//! | holds plain verbs | the gravest of them | `find_and_replace`: write |
//! | starts with a word that is verb and noun, but for nouns that we know | what that verb says | `post_comment`: send |
//! | … and ends with a plain read | a read | `comment_get` |
//! | holds such a word after others | unknown | `rebuild_index_list`, `obliterate_record` |
//! | makes a thing that leaves | a send | `create_comment`, not `create_draft` |
//! | adds somebody, or says who may see | a send | `add_user_to_channel`, `set_permissions` |
//! | turns a measure into another | a read | `convert_time` |
//! | ends with what one looks at | a read | `git_status` |
//! | none of these | unknown: execute, assumed | `frobnicate` |
//!
//! A verb counts in its base form only: `get_sent_emails` and `list_updates` send and update nothing.

use remit_model::Effect;
use remit_model::tool::{Known, Origin};

use super::vocabulary as v;
use super::{Evidence, inferred, known, raise};
use crate::words::words;

/// The effect by everything but annotations and configuration.
pub(super) fn infer(evidence: &Evidence) -> Known<Effect> {
    let mut effect = by_name(evidence);
    by_arguments(evidence, &mut effect);
    by_description(evidence, &mut effect);
    effect
}

/// Whether anything says that something leaves, also where the effect is graver than a send.
pub(super) fn sends(evidence: &Evidence) -> bool {
    let named = by_name(evidence).value;
    let writes = named == Effect::Write
        && (addressed(evidence).is_some() || evidence.described(v::SAYS_WRITES_LEAVE).is_some());
    let carries = named == Effect::Read
        && evidence.has_argument(v::ADDRESSED)
        && evidence.has_argument(v::BODIES);
    named == Effect::Send || writes || carries || evidence.described(v::SAYS_SENDS).is_some()
}

/// How sure one is that a word is a verb.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Plain,
    Noun,
}

fn lookup(table: &[(Effect, &[&str])], word: &str) -> Option<Effect> {
    table.iter().find(|(_, words)| words.contains(&word)).map(|(effect, _)| *effect)
}

fn verb(word: &str) -> Option<(Effect, Verb)> {
    lookup(v::VERBS, word)
        .map(|effect| (effect, Verb::Plain))
        .or_else(|| lookup(v::NOUN_VERBS, word).map(|effect| (effect, Verb::Noun)))
}

fn says(word: &str) -> Origin {
    inferred(format!("the name says `{word}`"))
}

/// The effect by the name alone.
pub(super) fn by_name(evidence: &Evidence) -> Known<Effect> {
    let mut effect = match main_verb(evidence) {
        Some((value, word)) => known(value, says(word)),
        None => no_verb(evidence),
    };
    for word in &evidence.name {
        if let Some(graver) = lookup(v::VERBS, word) {
            raise(&mut effect, graver, || says(word));
        }
    }
    if effect.value == Effect::Write
        && let Some(thing) = leaving(evidence)
    {
        effect = known(Effect::Send, says(thing));
    }
    effect
}

/// What leaves, or lets others see, when it is made or changed.
fn leaving(evidence: &Evidence) -> Option<&str> {
    let adds = || evidence.named(&["add"]).and_then(|_| evidence.named(v::PEOPLE));
    let made = evidence.named(v::MAKING).is_some();
    let leaves = |word: &&str| made || !v::LEAVING_ONCE.contains(word);
    let kept = evidence.named(v::KEPT).is_some();
    let thing = || evidence.named(v::LEAVING).filter(leaves).filter(|_| !kept);
    thing().or_else(adds).or_else(|| evidence.named(v::GRANTS))
}

/// The first word that is a verb, if it can be believed.
fn main_verb(evidence: &Evidence) -> Option<(Effect, &str)> {
    let name = &evidence.name;
    let (at, word, (effect, sure)) = name
        .iter()
        .enumerate()
        .find_map(|(at, word)| verb(word).map(|found| (at, word.as_str(), found)))?;
    let last = name.last().map(String::as_str).unwrap_or_default();
    let read_last = at + 1 < name.len() && lookup(v::VERBS, last) == Some(Effect::Read);
    let trusted = name.iter().take(at).all(|word| is_domain(evidence, word));
    match (effect, sure) {
        (Effect::Read, Verb::Noun) => {
            trusted.then(|| disguised(evidence, at).unwrap_or((effect, word)))
        }
        (_, Verb::Noun) if read_last => Some((Effect::Read, last)),
        (Effect::Write | Effect::Send, Verb::Noun) if !trusted => None,
        _ => Some((effect, word)),
    }
}

/// Whether a word says what a tool is about, and nothing of what it does.
fn is_domain(evidence: &Evidence, word: &String) -> bool {
    let known = |word: &str| v::DOMAINS.contains(&word);
    known(word) || word.strip_suffix('s').is_some_and(known) || evidence.server.contains(word)
}

/// `list_update`: the list is updated.
fn disguised(evidence: &Evidence, at: usize) -> Option<(Effect, &str)> {
    evidence.name.get(at).filter(|word| v::OBJECTS.contains(&word.as_str()))?;
    let last = evidence.name.last().filter(|_| at + 1 < evidence.name.len())?;
    let (effect, _) = verb(last)?;
    (effect > Effect::Read).then_some((effect, last.as_str()))
}

fn no_verb(evidence: &Evidence) -> Known<Effect> {
    let name = &evidence.name;
    if let Some((first, rest)) = name.split_first()
        && first == v::CONVERTS.0
        && !rest.is_empty()
        && rest.iter().all(|word| v::CONVERTS.1.contains(&word.as_str()))
    {
        return known(Effect::Read, says(first));
    }
    if let Some(first) = name.first()
        && let Some(effect) = lookup(v::LAST_RESORT, first)
        && name.len() > 1
    {
        return known(effect, says(first));
    }
    if let Some((last, before)) = name.split_last()
        && v::VIEWS.contains(&last.as_str())
        && before.iter().all(|word| is_domain(evidence, word))
    {
        return known(Effect::Read, says(last));
    }
    known(Effect::Execute, Origin::Assumed)
}

fn by_arguments(evidence: &Evidence, effect: &mut Known<Effect>) {
    let mut carries = None;
    for (name, leaf) in evidence.arguments() {
        let text = leaf.any_type || leaf.types.contains("string") || leaf.types.contains("array");
        let argument = || inferred(format!("the argument `{name}`"));
        if text && leaf.free && holds_code(evidence, &name, &leaf.description) {
            raise(effect, Effect::Execute, argument);
        }
        if effect.value == Effect::Write && v::PUBLISHES.contains(&name.as_str()) {
            raise(effect, Effect::Send, argument);
        }
        if v::BODIES.contains(&name.as_str()) {
            carries = carries.or(Some(name));
        }
    }
    if effect.value == Effect::Write
        && let Some(name) = addressed(evidence)
    {
        raise(effect, Effect::Send, || inferred(format!("the argument `{name}`")));
    }
    if let Some(name) = carries
        && effect.value == Effect::Read
        && evidence.has_argument(v::ADDRESSED)
    {
        let rule = format!("the argument `{name}` goes to a URL");
        raise(effect, Effect::Send, || inferred(rule));
    }
}

/// The name of an argument that names who receives something, or of what it is part of.
fn addressed(evidence: &Evidence) -> Option<String> {
    let names =
        |path: &String| path.split('.').map(|part| words(part).join("_")).collect::<Vec<_>>();
    evidence.leaves.keys().flat_map(names).find(|name| addresses(name))
}

fn addresses(name: &str) -> bool {
    let named = name.split('_').any(|word| v::RECIPIENT.contains(&word));
    named && !name.ends_with("_id") && !name.ends_with("_ids") || v::RECIPIENTS.contains(&name)
}

/// Whether an argument holds what is executed: by its name alone, or if a description agrees.
fn holds_code(evidence: &Evidence, name: &str, description: &str) -> bool {
    let agreed = |phrases: &[&str]| {
        evidence.described(phrases).is_some()
            || phrases.iter().any(|phrase| description.contains(&format!(" {phrase} ")))
    };
    v::CODE.contains(&name)
        || v::MAYBE_CODE.iter().any(|(names, phrases)| names.contains(&name) && agreed(phrases))
}

fn by_description(evidence: &Evidence, effect: &mut Known<Effect>) {
    let check = |effect: &mut Known<Effect>, phrases: &[&'static str], value| {
        if let Some(phrase) = evidence.described(phrases) {
            raise(effect, value, || inferred(format!("the description says `{phrase}`")));
        }
    };
    check(effect, v::SAYS_SENDS, Effect::Send);
    check(effect, v::SAYS_EXECUTES, Effect::Execute);
    check(effect, v::SAYS_DESTROYS, Effect::Destroy);
    if matches!(effect.value, Effect::Write | Effect::Send)
        && let Some((graver, word)) = opens(&evidence.description)
    {
        raise(effect, graver, || inferred(format!("the description starts with `{word}`")));
    }
    if effect.value == Effect::Write {
        check(effect, v::SAYS_WRITES_LEAVE, Effect::Send);
        check(effect, v::SAYS_WRITES_DESTROY, Effect::Destroy);
    }
}

/// The verb that a description starts with, where it is one of sending or destroying: `Deletes …`.
fn opens(description: &str) -> Option<(Effect, &str)> {
    let word = description.split_whitespace().next()?;
    let base = word.strip_suffix('s').unwrap_or(word);
    let effect = lookup(v::VERBS, word).or_else(|| lookup(v::VERBS, base))?;
    matches!(effect, Effect::Send | Effect::Destroy).then_some((effect, word))
}

#[cfg(test)]
mod tests {
    use crate::definition::Definition;
    use crate::infer::infer;
    use crate::overrides::Overrides;

    fn effect(name: &str, server: &str) -> String {
        let text = format!(r#"{{"name":"{name}","inputSchema":{{"type":"object"}}}}"#);
        let profile = infer(&Definition::parse(&text).unwrap(), server, &Overrides::default());
        serde_json::to_value(profile.effect.value).unwrap().as_str().unwrap().to_owned()
    }

    const NAMES: &[(&str, &str)] = &[
        (
            "read",
            "get_user listFiles search-issues issue_read pull_request_read git_status git_log \
             web_search get_post get_sent_emails list_updates list_releases comment_get \
             email_search fetchPage docs.search is_valid find_user describe_table log_search \
             show_draft acme_get_orders convert_time find_duplicate get_record channels.list \
             conversations.history hotelReviews",
        ),
        (
            "write",
            "create_issue updateUser set-status move_file rename edit_message_draft \
             create_draft_email get_or_create_user list_update find_and_replace issue_write \
             add_label modify_email update_mail_labels git_commit export_report file_export create_user set_status",
        ),
        (
            "send",
            "send_email post_message reply-to-thread publishPost transfer transfer_money \
             pay_invoice inviteUser share_file create_comment add_comment schedule_transaction \
             push_files git_push upload email_user post_status update_list_and_notify book_flight \
             share_view transfer_check add_reaction create_email edit_message reserve_table add_user_to_channel add_event_participants \
             update_permissions chat.post chat.postMessage grant_access accept_invitation request_money",
        ),
        (
            "execute",
            "run_command executeSql eval sql_query shell install_package frobnicate approve_view \
             rebuild_list rebuilds.list do x obliterate_logs obliterate_record frob_transfer convert \
             convert_lead frob_is_x call_tool acme_list_orders SENDEMAIL",
        ),
        (
            "destroy",
            "delete_file removeUser drop_table purge reset cancel_event list_delete queue_clear \
             git_reset get_and_delete search_delete",
        ),
    ];

    #[test]
    fn names_in_every_spelling_and_order() {
        for (expected, names) in NAMES {
            for name in names.split_whitespace() {
                assert_eq!(effect(name, "srv"), *expected, "{name}");
            }
        }
    }

    #[test]
    fn the_servers_own_name_is_no_word_of_the_tool() {
        assert_eq!(effect("acme_list_orders", "acme"), "read");
        assert_eq!(effect("acme_list_orders", "other"), "execute");
        assert_eq!(effect("post", "post"), "send");
    }

    /// Name, description, an argument, and what follows.
    const RAISED: &[(&str, &str, &str, &str)] = &[
        ("get_rows", "", "sql", "Execute inferred: the argument `sql`"),
        ("list_rows", "Runs a SQL query.", "query", "Execute inferred: the argument `query`"),
        (
            "list_rows",
            "Executes a search. Use execute_sql for SQL-like ones.",
            "x",
            "Read inferred: the name says `list`",
        ),
        ("list_rows", "Executes a search.", "query", "Read inferred: the name says `list`"),
        ("create_event", "", "attendees", "Send inferred: the argument `attendees`"),
        (
            "create_event",
            "Also notifies all guests.",
            "x",
            "Send inferred: the description says `notifies`",
        ),
        ("create_event", "Never notifies anyone.", "x", "Write inferred: the name says `create`"),
        (
            "update_row",
            "Cannot be undone.",
            "x",
            "Destroy inferred: the description says `cannot be undone`",
        ),
        (
            "create_event",
            "Guests are notified.",
            "x",
            "Send inferred: the description says `notified`",
        ),
        ("create_event", "", "guest_emails", "Write inferred: the name says `create`"),
        ("create_event", "", "attendee_emails", "Send inferred: the argument `attendee_emails`"),
        ("update_event", "", "participant_id", "Write inferred: the name says `update`"),
        ("create_paste", "", "public", "Send inferred: the argument `public`"),
        ("create_filter", "", "forward", "Send inferred: the argument `forward`"),
        (
            "update_rows",
            "Deletes and rewrites rows.",
            "x",
            "Destroy inferred: the description starts with `deletes`",
        ),
        (
            "get_row",
            "Gets and permanently deletes a row.",
            "x",
            "Destroy inferred: the description says `permanently deletes`",
        ),
    ];

    #[test]
    fn arguments_and_description_raise() {
        let with = |name: &str, description: &str, properties: &str| {
            let text = format!(
                r#"{{"name":"{name}","description":"{description}",
                "inputSchema":{{"type":"object","properties":{{{properties}}}}}}}"#
            );
            let profile = infer(&Definition::parse(&text).unwrap(), "srv", &Overrides::default());
            format!("{:?} {}", profile.effect.value, profile.effect.origin)
        };
        let text = |name: &str| format!(r#""{name}":{{"type":"string"}}"#);
        for (name, description, argument, expected) in RAISED {
            assert_eq!(with(name, description, &text(argument)), *expected);
        }
        let both = format!("{},{}", text("url"), text("body"));
        assert!(with("fetch", "", &both).starts_with("Send"));
        assert!(with("fetch", "", &text("url")).starts_with("Read"));
    }
}
