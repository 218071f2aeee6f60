//! The catalog of audit events names exactly what the code records, and the documentation holds the same table.

use std::collections::BTreeSet;
use std::path::Path;

use grantor::rules::audit::catalog::{AUDIT_EVENTS, markdown_table};

/// String literals of the form `kind.change` in the actions, where events get their names.
fn recorded_names(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("the folder exists") {
        let path = entry.expect("is readable").path();
        if path.is_dir() {
            recorded_names(&path, names);
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("is readable");
        names.extend(text.split('"').skip(1).step_by(2).filter(|literal| is_name(literal)).map(str::to_owned));
    }
}

fn is_name(literal: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    literal.split_once('.').is_some_and(|(kind, change)| is_word(kind) && is_word(change))
}

#[test]
fn the_catalog_names_every_event_that_the_code_records() {
    let mut recorded = BTreeSet::new();
    recorded_names(Path::new("src/actions"), &mut recorded);

    // Events that earlier versions recorded stay in the catalog: the trail still holds them.
    let known: BTreeSet<String> = AUDIT_EVENTS.iter().map(|kind| kind.name.to_owned()).collect();
    assert!(!recorded.is_empty());
    assert_eq!(recorded.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn the_documentation_holds_the_table_of_the_catalog() {
    let page = include_str!("../../../docs/reference/audit-events.md");

    let table = markdown_table();
    assert!(page.contains(&table), "docs/reference/audit-events.md should contain this table:\n{table}");
}
