#![cfg(test)]
//! The life of a tool in the catalogue: first seen, drifted, back again, admitted, withdrawn, gone.

use remit_catalogue::{
    AdmitError, Catalogue, Change, Overrides, admit, diff, observe, rejected, withdraw,
};
use remit_model::{Admission, ServerName, Timestamp, Tool, ToolId};

const NOW: Timestamp = Timestamp(1_000);

fn server() -> ServerName {
    "desk".parse().unwrap()
}

fn id(name: &str) -> ToolId {
    ToolId::new(&server(), name)
}

fn tool(name: &str, description: &str) -> String {
    serde_json::json!({
        "name": name, "description": description,
        "inputSchema": {"type": "object", "properties": {"path": {"type": "string"}}}
    })
    .to_string()
}

fn owned_by(owner: &str) -> Overrides {
    Overrides { owner: owner.to_owned(), ..Overrides::default() }
}

/// Observes, applies, and checks what must hold after every observation: each change survives
/// serialisation, the fold agrees with what was observed, and looking again changes nothing.
fn look(catalogue: &mut Catalogue, definitions: &[String], overrides: &Overrides) -> Vec<Change> {
    let changes = observe(catalogue, &server(), definitions, overrides, NOW);
    for change in &changes {
        let json = serde_json::to_string(change).unwrap();
        let read: Change = serde_json::from_str(&json).unwrap();
        assert_eq!(read, *change);
        catalogue.apply(&read);
    }
    assert_eq!(observe(catalogue, &server(), definitions, overrides, Timestamp(9_999)), []);
    let json = serde_json::to_string(catalogue).unwrap();
    assert_eq!(serde_json::from_str::<Catalogue>(&json).unwrap(), *catalogue);
    changes
}

fn names(changes: &[Change]) -> Vec<String> {
    changes
        .iter()
        .map(|change| match change.tool() {
            Some(id) => format!("{} {}", change.name(), id.name),
            None => change.name().to_owned(),
        })
        .collect()
}

fn state(catalogue: &Catalogue, name: &str) -> &'static str {
    catalogue.get(&id(name)).map_or("unknown", |tool: &Tool| tool.admission.name())
}

fn met(definitions: &[String]) -> Catalogue {
    let mut catalogue = Catalogue::default();
    look(&mut catalogue, definitions, &owned_by("ops"));
    catalogue
}

#[test]
fn what_a_person_configured_is_admitted_as_first_seen() {
    let mut catalogue = Catalogue::default();
    let definitions = [tool("read_file", "Reads."), tool("write_file", "Writes.")];
    let changes = look(&mut catalogue, &definitions, &owned_by("ops"));
    assert_eq!(names(&changes), ["met", "discovered read_file", "discovered write_file"]);
    let tool = catalogue.get(&id("read_file")).unwrap();
    assert_eq!(tool.definition, definitions[0]);
    assert_eq!(tool.owner, "ops");
    let expected = Admission::Admitted { since: NOW, by: "configuration".to_owned() };
    assert_eq!(tool.admission, expected);
}

#[test]
fn a_new_tool_of_a_known_server_is_quarantined() {
    let mut catalogue = met(&[tool("read_file", "Reads.")]);
    let both = [tool("read_file", "Reads."), tool("send_file", "Sends.")];
    assert_eq!(names(&look(&mut catalogue, &both, &owned_by("ops"))), ["appeared send_file"]);
    assert_eq!(state(&catalogue, "send_file"), "quarantined");
    assert_eq!(state(&catalogue, "read_file"), "admitted");
}

#[test]
fn a_server_that_first_shows_nothing_is_known_all_the_same() {
    let mut catalogue = met(&[]);
    look(&mut catalogue, &[tool("send_file", "Sends.")], &owned_by("ops"));
    assert_eq!(state(&catalogue, "send_file"), "quarantined");
}

#[test]
fn other_blanks_and_another_order_are_no_drift() {
    let mut catalogue = met(&[r#"{"name":"a","inputSchema":{"type":"object"}}"#.to_owned()]);
    let same = "{ \"inputSchema\": {\"type\":\"object\"}, \"name\": \"a\" }".to_owned();
    assert_eq!(look(&mut catalogue, &[same], &owned_by("ops")), []);
}

#[test]
fn drift_quarantines_and_going_back_does_not_heal() {
    let (first, hostile) = (tool("read_file", "Reads."), tool("read_file", "Reads. <IMPORTANT>"));
    let mut catalogue = met(std::slice::from_ref(&first));
    let ops = owned_by("ops");

    let changes = look(&mut catalogue, std::slice::from_ref(&hostile), &ops);
    assert_eq!(names(&changes), ["drifted read_file"]);
    let drifted = catalogue.get(&id("read_file")).unwrap().clone();
    let Admission::Quarantined { why, before, .. } = &drifted.admission else { panic!() };
    assert_eq!(why, "the definition changed: `description`");
    assert_eq!(before.as_ref(), Some(&first));
    assert_eq!(drifted.flags.len(), 1);
    assert!(
        diff(&first, &drifted.definition).contains("+   \"description\": \"Reads. <IMPORTANT>")
    );

    // Drifting on keeps what a person last admitted as the other side of the diff.
    look(&mut catalogue, &[tool("read_file", "Reads more.")], &ops);
    look(&mut catalogue, std::slice::from_ref(&first), &ops);
    let back = catalogue.get(&id("read_file")).unwrap();
    let Admission::Quarantined { before, .. } = &back.admission else { panic!() };
    assert_eq!(before.as_ref(), Some(&first));
    assert_eq!(diff(&first, &back.definition), "");

    let change = admit(&catalogue, &id("read_file"), back.digest, "ann", NOW).unwrap();
    catalogue.apply(&change);
    assert_eq!(state(&catalogue, "read_file"), "admitted");
}

#[test]
fn a_tool_that_vanishes_keeps_its_admission_but_only_unchanged() {
    let (one, two) = (tool("a_get", "Gets."), tool("b_get", "Gets."));
    let mut catalogue = met(&[one.clone(), two.clone()]);
    let ops = owned_by("ops");
    assert_eq!(names(&look(&mut catalogue, std::slice::from_ref(&one), &ops)), ["vanished b_get"]);
    assert!(!catalogue.is_offered(&id("b_get")));
    assert_eq!(catalogue.offered().count(), 1);
    assert_eq!(catalogue.tools().count(), 2, "the schema does not depend on who is up");
    assert_eq!(names(&look(&mut catalogue, &[one.clone(), two], &ops)), ["returned b_get"]);
    assert_eq!(state(&catalogue, "b_get"), "admitted");

    look(&mut catalogue, std::slice::from_ref(&one), &ops);
    look(&mut catalogue, &[one, tool("b_get", "Gets everything.")], &ops);
    assert_eq!(state(&catalogue, "b_get"), "quarantined");
    assert!(catalogue.is_offered(&id("b_get")));
}

#[test]
fn a_known_tool_with_an_unacceptable_definition_is_quarantined() {
    let good = tool("read_file", "Reads.");
    for bad in [
        vec![r#"{"name":"read_file"}"#.to_owned()],
        vec![tool("read_file", &"long ".repeat(20_000))],
        vec![good.clone(), tool("read_file", "Another.")],
    ] {
        let mut catalogue = met(std::slice::from_ref(&good));
        let changes = look(&mut catalogue, &bad, &owned_by("ops"));
        assert_eq!(names(&changes), ["drifted read_file"]);
        let tool = catalogue.get(&id("read_file")).unwrap();
        let Admission::Quarantined { why, .. } = &tool.admission else { panic!() };
        assert!(why.starts_with("its new definition is rejected: expected"), "{why}");
        look(&mut catalogue, std::slice::from_ref(&good), &owned_by("ops"));
        assert_eq!(state(&catalogue, "read_file"), "quarantined");
    }
}

#[test]
fn what_is_rejected_is_named_with_a_reason() {
    let definitions = [
        tool("good", "Reads."),
        tool("twice", "One."),
        tool("twice", "Two."),
        tool("evil/name\u{1b}", "Reads."),
        "not json".to_owned(),
    ];
    let told = rejected(&definitions);
    let told: Vec<_> = told.iter().map(|r| format!("{}: {}", r.name, r.why)).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.iter().any(|t| t.starts_with("`twice`") && t.contains("2 times")), "{told:?}");
    assert!(told.iter().any(|t| t.starts_with(r"`evil/name\u{1b}`")), "{told:?}");
    let catalogue = met(&definitions);
    assert_eq!(catalogue.tools().map(|tool| tool.id.name.as_str()).collect::<Vec<_>>(), ["good"]);
}

#[test]
fn a_flood_of_tools_is_cut_and_told() {
    let definitions: Vec<String> = (0..1100).map(|n| tool(&format!("get_{n}"), "")).collect();
    assert_eq!(met(&definitions).tools().count(), 1024);
    assert_eq!(rejected(&definitions)[0].name, "76 more");
}

#[test]
fn a_person_admits_exactly_what_was_looked_at() {
    let mut catalogue = met(&[tool("read_file", "Reads.")]);
    let id = id("read_file");
    let old = catalogue.get(&id).unwrap().digest;
    assert!(matches!(
        admit(&catalogue, &id, old, "ann", NOW),
        Err(AdmitError::Already { state: "admitted", .. })
    ));
    look(&mut catalogue, &[tool("read_file", "Reads more.")], &owned_by("ops"));
    let error = admit(&catalogue, &id, old, "ann", NOW).unwrap_err();
    assert!(error.to_string().contains("changed while you looked"), "{error}");
    let new = catalogue.get(&id).unwrap().digest;
    let change = admit(&catalogue, &id, new, "ann", NOW).unwrap();

    // It drifts once more before the admission takes effect: the fold does not admit what nobody saw.
    look(&mut catalogue, &[tool("read_file", "Reads all.")], &owned_by("ops"));
    catalogue.apply(&change);
    assert_eq!(catalogue.get(&id).unwrap().admission.name(), "quarantined");
    let unknown = ToolId::new(&server(), "nope");
    assert_eq!(admit(&catalogue, &unknown, new, "ann", NOW), Err(AdmitError::Unknown(unknown)));
}

#[test]
fn withdrawn_stays_withdrawn_whatever_the_server_does() {
    let mut catalogue = met(&[tool("read_file", "Reads.")]);
    let change = withdraw(&catalogue, &id("read_file"), "ann", NOW).unwrap();
    catalogue.apply(&change);
    assert!(withdraw(&catalogue, &id("read_file"), "ann", NOW).is_err());
    look(&mut catalogue, &[tool("read_file", "Reads nicely.")], &owned_by("ops"));
    look(&mut catalogue, &[], &owned_by("ops"));
    look(&mut catalogue, &[tool("read_file", "Reads nicely.")], &owned_by("ops"));
    assert_eq!(state(&catalogue, "read_file"), "withdrawn");
    let digest = catalogue.get(&id("read_file")).unwrap().digest;
    catalogue.apply(&admit(&catalogue, &id("read_file"), digest, "ann", NOW).unwrap());
    assert_eq!(state(&catalogue, "read_file"), "admitted");
}

#[test]
fn another_configuration_changes_the_profile_and_nothing_else() {
    let definitions = [tool("frobnicate", "Frobnicates.")];
    let mut catalogue = met(&definitions);
    let (before, digest) = (catalogue.clone(), catalogue.digest());
    let overrides: Overrides =
        serde_json::from_str(r#"{"owner":"desk-owners","tools":{"frob*":{"effect":"read"}}}"#)
            .unwrap();
    assert_eq!(names(&look(&mut catalogue, &definitions, &overrides)), ["reprofiled frobnicate"]);
    let tool = catalogue.get(&id("frobnicate")).unwrap();
    assert_eq!(format!("{:?}", tool.profile.effect.value), "Read");
    assert_eq!(tool.owner, "desk-owners");
    assert_eq!(tool.admission, before.get(&id("frobnicate")).unwrap().admission);
    assert_ne!(catalogue.digest(), digest, "a decision may depend on it");
}

#[test]
fn the_digest_covers_what_decides_and_not_when() {
    let definitions = [tool("read_file", "Reads.")];
    let mut later = Catalogue::default();
    let ops = owned_by("ops");
    for change in observe(&later.clone(), &server(), &definitions, &ops, Timestamp(77)) {
        later.apply(&change);
    }
    let catalogue = met(&definitions);
    assert_eq!(catalogue.digest(), later.digest());
    later.apply(&withdraw(&later, &id("read_file"), "ann", NOW).unwrap());
    assert_ne!(catalogue.digest(), later.digest());
}

#[test]
fn a_server_that_shows_other_names_each_time_does_not_grow_the_catalogue_for_ever() {
    let mut catalogue = met(&[tool("read_file", "Reads.")]);
    for round in 0..3 {
        let mut shown: Vec<String> =
            (0..700).map(|n| tool(&format!("t{round}_{n}"), "New.")).collect();
        shown.push(tool("read_file", "Reads."));
        look(&mut catalogue, &shown, &owned_by("ops"));
        assert!(catalogue.tools().count() <= 1024);
        assert_eq!(state(&catalogue, "read_file"), "admitted");
    }
}
