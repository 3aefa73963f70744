//! Tool definitions: two readers of one rule (which arguments are mirrored into headers) agree, a
//! definition that is accepted never keeps the pack `contained` from loading, and looking at it again
//! changes nothing.

use std::sync::LazyLock;

use remit_catalogue::{Catalogue, Definition, Overrides, diff, flags, infer, observe, rejected};
use remit_mcp::{ParamHeaders, Raw};
use remit_model::{ServerName, Timestamp, Tool};
use remit_policy::{CONTAINED, Snapshot, Source};

static SERVER: LazyLock<ServerName> = LazyLock::new(|| "desk".parse().unwrap());
const NOW: Timestamp = Timestamp(1_795_471_200_123);

static PACK: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let source =
        |(path, text): &(&str, &str)| Source { path: (*path).into(), text: (*text).into() };
    CONTAINED.iter().map(source).collect()
});

fn overrides() -> Overrides {
    Overrides { owner: "operators".to_owned(), ..Overrides::default() }
}

/// One input.
pub(crate) fn hold(text: &str) {
    let read = Definition::parse(text);
    let listed = vec![text.to_owned()];
    let mut catalogue = Catalogue::default();
    let changes = observe(&catalogue, &SERVER, &listed, &overrides(), NOW);
    for change in &changes {
        let json = serde_json::to_string(change).unwrap();
        assert_eq!(serde_json::from_str::<remit_catalogue::Change>(&json).unwrap(), *change);
        catalogue.apply(change);
    }
    assert!(observe(&catalogue, &SERVER, &listed, &overrides(), NOW).is_empty());
    let Ok(definition) = read else {
        assert_eq!(rejected(&listed).len(), 1);
        assert_eq!(catalogue.tools().count(), 0);
        return;
    };
    assert!(rejected(&listed).is_empty());
    let schema = Raw::parse(&definition.input_schema().canonical()).unwrap();
    ParamHeaders::of_schema(&schema).expect("accepted, so its headers can be used");
    assert!(flags(&definition).iter().all(|flag| !flag.chars().any(char::is_control)));
    assert_eq!(infer(&definition, "desk", &overrides()), infer(&definition, "desk", &overrides()));
    let _ = diff("{}", text);
    let tools: Vec<Tool> = catalogue.tools().cloned().collect();
    assert_eq!(tools.len(), 1);
    Snapshot::compile(&PACK, &tools, &[]).expect("a definition cannot break the policies");
}
