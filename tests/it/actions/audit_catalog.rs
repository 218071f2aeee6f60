//! The catalog lists exactly the recorded audit events, and the docs contain the same table.

use std::collections::BTreeSet;
use std::path::Path;

use grantor::rules::audit::catalog::{AUDIT_EVENTS, markdown_table};

/// String literals of the form `kind.change` in the actions, which name the events. The names of
/// transactions have the same form.
fn recorded_names(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("the folder exists") {
        let path = entry.expect("is readable").path();
        if path.is_dir() {
            recorded_names(&path, names);
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("is readable");
        let parts: Vec<&str> = text.split('"').collect();
        let literals = parts
            .windows(2)
            .step_by(2)
            .filter(|pair| !names_a_transaction(pair[0]) && is_name(pair[1]));
        names.extend(literals.map(|pair| pair[1].to_owned()));
    }
}

fn names_a_transaction(text_before: &str) -> bool {
    let call = text_before.rsplit('.').next().unwrap_or_default();
    call.starts_with("transact(") || call.starts_with("transact::<")
}

fn is_name(literal: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    literal.split_once('.').is_some_and(|(kind, change)| is_word(kind) && is_word(change))
}

#[test]
fn the_catalog_lists_every_recorded_event() {
    let mut recorded = BTreeSet::new();
    recorded_names(Path::new("src/actions"), &mut recorded);

    // Events of earlier versions stay in the catalog, because the audit trail still contains them.
    let known: BTreeSet<String> = AUDIT_EVENTS.iter().map(|kind| kind.name.to_owned()).collect();
    assert!(!recorded.is_empty());
    assert_eq!(recorded.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn the_docs_contain_the_table_of_the_catalog() {
    let page = include_str!("../../../docs/reference/audit-events.md");

    let table = markdown_table();
    assert!(
        page.contains(&table),
        "docs/reference/audit-events.md should contain this table:\n{table}"
    );
}
