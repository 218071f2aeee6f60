//! `scopes.md`: both scope catalogs that are compiled into the program.

use grantor::rules::identity::permission::Role;
use grantor::rules::scope::catalog::{MINIMAL, OTHER_GROUP, SHIPPED, Scope, ScopeCatalog};

use super::{Page, compare};
use crate::docs::markdown::{code, escape, table};

const INTRODUCTION: &str = "\
# Scopes

This page is generated from [config/scopes.toml](../../config/scopes.toml) and
[config/scopes-minimal.toml](../../config/scopes-minimal.toml), which are compiled into the program.

`scopes.catalog` selects the first with `\"\"`, the second with `\"minimal\"`, and
[your own](../connect-an-mcp-server.md#your-own-scopes) with a path.
";

const COLUMNS: &str = "\
The columns of the tables:

* **changes something**: whether an app with this scope can create, change or delete something
* **roles**: members with one of these [roles](roles-and-permissions.md#what-each-role-may-do) can let an app have it
* **minimal**: whether the scope is in the minimal catalog, too
";

#[test]
fn the_page_lists_the_scopes_of_both_catalogs() {
    let shipped = ScopeCatalog::from_toml(SHIPPED).expect("the shipped catalog");
    let minimal = ScopeCatalog::from_toml(MINIMAL).expect("the minimal catalog");
    for scope in minimal.iter() {
        assert_eq!(
            shipped.find(scope.name.as_str()),
            Some(scope),
            "one row describes the scope in both catalogs"
        );
    }

    let mut page = format!("{INTRODUCTION}\n{}\n{COLUMNS}", marked(&shipped));
    let mut listed = 0;
    for group in headings(SHIPPED).into_iter().chain([OTHER_GROUP]) {
        let scopes: Vec<&Scope> = shipped.iter().filter(|scope| scope.group == group).collect();
        if scopes.is_empty() {
            continue;
        }
        listed += scopes.len();
        let rows = scopes.into_iter().map(|scope| row(scope, &minimal));
        let table = table(["scope", "the app may", "changes something", "roles", "minimal"], rows);
        page += &format!("\n## {group}\n\n{table}");
    }
    assert_eq!(listed, shipped.iter().len());
    compare(&[Page::new("scopes.md", page)]);
}

/// The scopes that are special in one of three ways.
fn marked(catalog: &ScopeCatalog) -> String {
    let names = |is_marked: fn(&Scope) -> bool| {
        let marked = catalog.iter().filter(|scope| is_marked(scope));
        marked.map(|scope| code(scope.name.as_str())).collect::<Vec<_>>().join(", ")
    };
    format!(
        "* Granted if neither the request nor the registration names a scope: {}\n\
         * Listed in `scopes_supported` of the server's metadata: {}\n\
         * Only for approved confidential clients: {}\n",
        names(|scope| scope.default),
        names(|scope| scope.advertised),
        names(|scope| scope.private)
    )
}

fn row(scope: &Scope, minimal: &ScopeCatalog) -> [String; 5] {
    let name = scope.name.as_str();
    let changes = if scope.changes { "yes" } else { "no" };
    let is_minimal = if minimal.find(name).is_some() { "yes" } else { "no" };
    [
        code(name),
        escape(&scope.description),
        changes.to_owned(),
        roles(scope),
        is_minimal.to_owned(),
    ]
}

fn roles(scope: &Scope) -> String {
    let roles: Vec<&str> =
        Role::ALL.into_iter().filter(|role| role.may_grant(scope)).map(Role::as_str).collect();
    if roles.len() == Role::ALL.len() { "all".to_owned() } else { roles.join(", ") }
}

/// The headings of a catalog, in the order of its file.
fn headings(catalog: &str) -> Vec<&str> {
    let groups = catalog.lines().skip_while(|line| *line != "[groups]").skip(1);
    let headings =
        groups.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once(" = "));
    headings.map(|(_, heading)| heading.trim_matches('"')).collect()
}
