//! Modules must not import each other in circles.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::code_lines;

/// The modules that each module imports.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// Names that a module imports, such as `a::Name`, with the path behind them.
type Aliases = BTreeMap<String, String>;

/// The files of a circle cannot be understood, tested or moved one at a time. A module may import
/// from the modules that contain it.
#[test]
fn modules_do_not_import_each_other_in_circles() {
    let imports = imports();
    let mut circles = Vec::new();
    for (module, targets) in &imports {
        for target in targets.iter().filter(|target| reaches(&imports, target, module)) {
            circles.push(format!("{module} -> {target}"));
        }
    }

    assert_eq!(circles, Vec::<String>::new());
}

#[test]
fn paths_are_read_from_use_statements_of_every_form_and_from_code() {
    let lines = [
        "use crate::a::b;",
        "pub use crate::c::{",
        "d::{e, f as g},",
        "self,",
        "};",
        "let use_crate = 1;",
        "pub(in crate::h) fn i() -> crate::j::K<'_> {",
    ];

    let (used, named) = crate_paths(&lines.map(str::to_owned));

    assert_eq!(used, ["a::b", "c::d::e", "c::d::f as g", "c::self"]);
    assert_eq!(named, ["h", "j::K"]);
}

#[test]
fn a_name_is_followed_to_the_module_that_defines_it() {
    let aliases = [("a::B", "a::c::B"), ("a::c::B", "d::e"), ("a::f", "a::f::f")];
    let aliases = aliases.map(|(name, path)| (name.to_owned(), path.to_owned())).into();

    for (path, followed) in [("a::B::g", "d::e::g"), ("a::f", "a::f"), ("a::BC", "a::BC")] {
        assert_eq!(follow(&aliases, path), followed);
    }
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
    let mut aliases = Aliases::new();
    let mut paths: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, lines) in &files {
        let Some(module) = module_of(file) else { continue };
        let (used, named) = crate_paths(lines);
        for item in &used {
            let (path, name) =
                item.split_once(" as ").unwrap_or((item, item.rsplit("::").next().unwrap_or(item)));
            aliases.insert(format!("{module}::{name}"), absolute(&modules, &module, path));
        }
        let of_module =
            used.iter().chain(&named).map(|path| absolute(&modules, &module, path)).collect();
        paths.insert(module, of_module);
    }
    let targets = |(module, paths): (String, Vec<String>)| {
        let targets = paths
            .iter()
            .filter_map(|path| imported_module(&modules, &module, &follow(&aliases, path)));
        (module.clone(), targets.collect())
    };
    paths.into_iter().map(targets).collect()
}

/// `src/a/b.rs` and `src/a/b/mod.rs` are `a::b`. `None` for the roots of crates and for tests.
fn module_of(file: &Path) -> Option<String> {
    let path = file.strip_prefix("src").ok()?.with_extension("");
    let mut names: Vec<String> =
        path.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if names.last().is_some_and(|name| name == "mod" || name == "lib") {
        names.pop();
    }
    let is_left_out =
        names.is_empty() || names.iter().any(|name| name == "tests" || name == "main");
    (!is_left_out).then(|| names.join("::"))
}

/// The paths behind `use crate::`, one for each item of a group, and those behind `crate::` in other
/// lines.
fn crate_paths(lines: &[String]) -> (Vec<String>, Vec<String>) {
    let (mut used, mut named) = (Vec::new(), Vec::new());
    let mut statement = String::new();
    for line in lines {
        let line = line.trim();
        if !statement.is_empty() {
            statement.push_str(line);
        } else if let Some((visibility, path)) = line.split_once("use crate::")
            && (visibility.is_empty() || visibility.starts_with("pub"))
        {
            statement.push_str(path);
        } else {
            named.extend(line.split("crate::").skip(1).map(first_path));
        }
        if let Some(end) = statement.find(';') {
            used.extend(expand(&statement[..end]));
            statement.clear();
        }
    }
    (used, named)
}

fn first_path(text: &str) -> String {
    let end =
        text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(text.len());
    text[..end].trim_end_matches(':').to_owned()
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

/// The path without ` as `. Within `rules`, which is a crate of its own, a path begins there.
fn absolute(modules: &BTreeSet<String>, importer: &str, path: &str) -> String {
    let path = path.split(" as ").next().unwrap_or(path).trim_end_matches("::self");
    let is_in_rules = importer.starts_with("rules") && find_module(modules, path).is_none();
    if is_in_rules { format!("rules::{path}") } else { path.to_owned() }
}

/// Replaces names that a module only imports, so that no circle is hidden behind them.
fn follow(aliases: &Aliases, path: &str) -> String {
    let mut path = path.to_owned();
    loop {
        let mut ends = path.match_indices("::").map(|(end, _)| end).chain([path.len()]);
        let found = ends.find_map(|end| {
            let target = aliases.get(&path[..end])?;
            let is_within_itself = target.starts_with(&format!("{}::", &path[..end]));
            (!is_within_itself).then(|| format!("{target}{}", &path[end..]))
        });
        match found {
            Some(followed) => path = followed,
            None => return path,
        }
    }
}

/// The module that a path leads to, unless it contains the importing module.
fn imported_module(modules: &BTreeSet<String>, importer: &str, path: &str) -> Option<String> {
    let module = find_module(modules, path)?;
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
