//! Modules must not import each other in circles.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::code_lines;

/// Imports that still close a circle: a module, the module that it imports, and the reason.
const KNOWN: &[(&str, &str, &str)] = &[
    (
        "actions::users::create_user",
        "actions::users::change_membership",
        "adding a user ends what an earlier membership left",
    ),
    ("cli", "diagnose::demo", "the commands of `diagnose` print and fail like those of `cli`"),
    ("cli", "diagnose::doctor", "the commands of `diagnose` print and fail like those of `cli`"),
    ("cli", "diagnose::selftest", "the commands of `diagnose` print and fail like those of `cli`"),
    ("config::values", "config::sections", "one value is an enum of a section"),
    ("db::webhooks::deliveries", "db::webhooks::lanes", "a lane has deliveries, and a delivery a lane"),
    ("delivery::lane", "delivery::sender", "the sender is implemented in two files"),
    ("http::error", "http::extract", "an error page is in the language of the request"),
    ("http::error", "http::extract::browser", "the request decides whether an error is a page"),
    ("http::error::page", "http::extract", "an error page is in the language of the request"),
    ("http::error::page", "http::extract::browser", "the request decides whether an error is a page"),
    ("http::error::page", "http::middleware::edge", "a page shows the id of the request"),
    ("http::middleware::edge", "http::extract", "credentials decide about limits"),
    ("http::middleware::edge", "http::extract::browser", "the request decides whether an error is a page"),
    ("rules::client::registration", "rules::client::metadata", "metadata is parsed by the registration rules"),
    ("rules::client::metadata_error", "rules::client::raw_metadata", "errors name the member that they are about"),
];

/// The modules that each module imports.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// The files of a circle cannot be understood, tested or moved one at a time. A module may import
/// from the modules that contain it.
#[test]
fn modules_do_not_import_each_other_in_circles() {
    let mut imports = imports();
    let mut gone = Vec::new();
    for (module, imported, _) in KNOWN {
        if !imports.get_mut(*module).is_some_and(|targets| targets.remove(*imported)) {
            gone.push(format!("{module} -> {imported}"));
        }
    }
    let mut circles = Vec::new();
    for (module, targets) in &imports {
        for target in targets.iter().filter(|target| reaches(&imports, target, module)) {
            circles.push(format!("{module} -> {target}"));
        }
    }
    let harmless = KNOWN.iter().filter(|(module, imported, _)| !reaches(&imports, imported, module));
    gone.extend(harmless.map(|(module, imported, _)| format!("{module} -> {imported}")));

    assert_eq!(circles, Vec::<String>::new(), "new circles of imports");
    assert_eq!(gone, Vec::<String>::new(), "these imports close no circle any more: remove them from KNOWN");
}

#[test]
fn imports_are_read_from_use_statements_of_every_form() {
    let lines = ["use crate::a::b;", "pub use crate::c::{", "d::{e, f as g},", "self,", "};", "let use_crate = 1;"];

    assert_eq!(imported_paths(&lines.map(str::to_owned)), ["a::b", "c::d::e", "c::d::f as g", "c::self"]);
}

fn reaches(imports: &Imports, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![from];
    while let Some(module) = waiting.pop() {
        if module == to {
            return true;
        }
        if seen.insert(module) {
            waiting.extend(imports.get(module).into_iter().flatten().map(String::as_str));
        }
    }
    false
}

fn imports() -> Imports {
    let mut files: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
    for (file, _, line) in code_lines("src") {
        files.entry(file).or_default().push(line);
    }
    let modules: BTreeSet<String> = files.keys().filter_map(|file| module_of(file)).collect();
    let mut imports = Imports::new();
    for (file, lines) in &files {
        let Some(module) = module_of(file) else { continue };
        let targets = imported_paths(lines).iter().filter_map(|path| resolve(&modules, &module, path)).collect();
        imports.insert(module, targets);
    }
    imports
}

/// `src/a/b.rs` and `src/a/b/mod.rs` are `a::b`. `None` for the roots of crates and for tests.
fn module_of(file: &Path) -> Option<String> {
    let path = file.strip_prefix("src").ok()?.with_extension("");
    let mut names: Vec<String> = path.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if names.last().is_some_and(|name| name == "mod" || name == "lib") {
        names.pop();
    }
    let is_left_out = names.is_empty() || names.iter().any(|name| name == "tests" || name == "main");
    (!is_left_out).then(|| names.join("::"))
}

/// The paths behind `use crate::`, one for each item of a group.
fn imported_paths(lines: &[String]) -> Vec<String> {
    let mut paths = Vec::new();
    let mut statement = String::new();
    for line in lines {
        let line = line.trim();
        if !statement.is_empty() {
            statement.push_str(line);
        } else if let Some((visibility, path)) = line.split_once("use crate::")
            && (visibility.is_empty() || visibility.starts_with("pub"))
        {
            statement.push_str(path);
        }
        if let Some(end) = statement.find(';') {
            paths.extend(expand(&statement[..end]));
            statement.clear();
        }
    }
    paths
}

/// `a::{b, c::{d, e}}` is `a::b`, `a::c::d` and `a::c::e`.
fn expand(tree: &str) -> Vec<String> {
    let Some((prefix, group)) = tree.split_once('{') else { return vec![tree.trim().to_owned()] };
    let group = group.trim_end().strip_suffix('}').unwrap_or(group);
    let mut depth = 0;
    let mut items = vec![String::new()];
    for character in group.chars() {
        match character {
            ',' if depth == 0 => {
                items.push(String::new());
                continue;
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        items.last_mut().expect("there is always one item").push(character);
    }
    let items = items.iter().map(|item| item.trim()).filter(|item| !item.is_empty());
    items.flat_map(|item| expand(&format!("{}{item}", prefix.trim()))).collect()
}

/// The module that a path leads to, unless it contains the importing module. Within `rules`, a path
/// may begin there.
fn resolve(modules: &BTreeSet<String>, importer: &str, path: &str) -> Option<String> {
    let path = path.split(" as ").next().unwrap_or(path);
    let within_rules = importer.starts_with("rules").then(|| format!("rules::{path}"));
    let module = find_module(modules, path).or_else(|| find_module(modules, &within_rules?))?;
    let contains_importer = importer == module || importer.starts_with(&format!("{module}::"));
    (!contains_importer).then_some(module)
}

/// The longest beginning of the path that is a module.
fn find_module(modules: &BTreeSet<String>, mut path: &str) -> Option<String> {
    while !modules.contains(path) {
        path = path.rsplit_once("::")?.0;
    }
    Some(path.to_owned())
}
