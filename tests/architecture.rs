//! The shape of the house, held by reading the files: who may import whom, where SQL may stand, and that the two folders
//! of migrations are a pair.

#![expect(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

use std::fs;
use std::path::{Path, PathBuf};

/// A folder, and what nothing in it may name.
const RULES: &[(&str, &[&str])] = &[
    (
        "src/rules",
        &[
            "axum",
            "sqlx",
            "tokio",
            "crate::http",
            "crate::db",
            "crate::actions",
            "crate::app",
            "crate::clock",
            "crate::delivery",
        ],
    ),
    ("src/db", &["axum", "crate::http", "crate::actions", "crate::app", "crate::cli", "crate::delivery"]),
    ("src/actions", &["axum", "sqlx", "crate::http", "crate::app", "crate::cli", "crate::delivery", "StatusCode"]),
    ("src/delivery", &["axum", "sqlx", "crate::http", "crate::app", "crate::cli", "StatusCode", "Tx"]),
    ("src/http", &["sqlx", "crate::cli", "Tx"]),
    (
        "src/outgoing",
        &[
            "axum",
            "sqlx",
            "crate::http",
            "crate::db",
            "crate::actions",
            "crate::app",
            "crate::cli",
            "crate::config",
            "crate::delivery",
        ],
    ),
    (
        "src/config",
        &["axum", "sqlx", "tokio", "crate::http", "crate::db", "crate::actions", "crate::app", "crate::delivery"],
    ),
    ("src/cli", &["axum", "sqlx"]),
    ("src/diagnose", &["sqlx"]),
];

/// Nothing but these names `http`.
const MAY_NAME_HTTP: &[&str] = &["src/app.rs", "src/app/serve.rs", "src/cli/openapi.rs", "src/lib.rs"];

#[test]
fn nobody_imports_what_is_not_theirs() {
    let mut broken = Vec::new();
    for (folder, forbidden) in RULES {
        for (file, number, line) in code_lines(folder) {
            for name in forbidden.iter().filter(|name| names(&line, name)) {
                broken.push(format!("{}:{number} names {name}: {line}", file.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn only_the_app_imports_http() {
    let outside = code_lines("src").into_iter().filter(|(file, _, line)| {
        let inside = file.starts_with("src/http") || MAY_NAME_HTTP.iter().any(|allowed| file == Path::new(allowed));
        !inside && line.contains("crate::http")
    });
    let found: Vec<String> = outside.map(|(file, number, _)| format!("{}:{number}", file.display())).collect();
    assert_eq!(found, Vec::<String>::new());
}

/// Whoever has another client can send requests anywhere. Spans go to the collector that the operator names.
#[test]
fn there_is_one_http_client() {
    const CLIENTS: [&str; 5] =
        ["reqwest", "hyper::client", "hyper_util::client", "opentelemetry_http", "opentelemetry_otlp"];
    let mut found = Vec::new();
    for (file, number, line) in code_lines("src") {
        let guarded = file.starts_with("src/outgoing") || file == Path::new("src/outgoing.rs");
        let exports = |name: &str| name == "opentelemetry_otlp" && file == Path::new("src/telemetry.rs");
        for name in CLIENTS.iter().filter(|name| names(&line, name) && !exports(name)) {
            if !(guarded && *name == "reqwest") {
                found.push(format!("{}:{number} names {name}: {line}", file.display()));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn sql_stands_in_db_and_nowhere_else() {
    const WORDS: [&str; 5] = ["SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM", "CREATE TABLE"];
    let outside = code_lines("src").into_iter().filter(|(file, _, line)| {
        !file.starts_with("src/db") && WORDS.iter().any(|word| line.contains(&format!("\"{word}")))
    });
    let found: Vec<String> = outside.map(|(file, number, _)| format!("{}:{number}", file.display())).collect();
    assert_eq!(found, Vec::<String>::new());
}

/// A newcomer looks through a folder before the search: it must be short enough to be read.
#[test]
fn a_folder_holds_at_most_as_many_files_as_can_be_read_at_a_glance() {
    const MAX_ENTRIES: usize = 31;
    let mut folders = vec![PathBuf::from("src")];
    let mut crowded = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries: Vec<PathBuf> =
            fs::read_dir(&folder).expect("the folder exists").map(|entry| entry.expect("is readable").path()).collect();
        if entries.len() > MAX_ENTRIES {
            crowded.push(format!("{} holds {}", folder.display(), entries.len()));
        }
        folders.extend(entries.into_iter().filter(|path| path.is_dir()));
    }
    assert_eq!(crowded, Vec::<String>::new());
}

#[test]
fn both_engines_have_the_same_migrations() {
    let names = |folder: &str| {
        let mut names: Vec<String> = fs::read_dir(folder)
            .expect("the folder exists")
            .map(|entry| entry.expect("is readable").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };

    assert_eq!(names("migrations/postgres"), names("migrations/sqlite"));
}

#[test]
fn templates_escape_everything_and_hold_no_script_no_style_and_no_address_of_elsewhere() {
    const FORBIDDEN: [&str; 8] = ["safe", "escape", "<script", "<style", "style=", "javascript:", "http:", "https:"];
    let mut found = Vec::new();
    for entry in fs::read_dir("templates").expect("the folder exists") {
        let path = entry.expect("is readable").path();
        let text = fs::read_to_string(&path).expect("is readable");
        let is_markup = path.extension().is_some_and(|extension| extension == "html");
        for word in FORBIDDEN.iter().filter(|word| is_markup && text.contains(**word)) {
            found.push(format!("{} holds {word}", path.display()));
        }
        for handler in
            text.split([' ', '\n']).filter(|word| is_markup && word.starts_with("on") && word.contains("=\""))
        {
            found.push(format!("{} holds {handler}", path.display()));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn one_type_writes_markup_of_its_own_and_no_template_chooses_how_it_is_escaped() {
    let lines = code_lines("src/http");
    let naming = |word: &str| lines.iter().filter(|(_, _, line)| line.contains(word)).count();

    assert_eq!((naming("impl HtmlSafe for"), naming("MarkupDisplay"), naming("escape = ")), (1, 0, 0));
}

#[test]
fn every_file_says_first_what_it_is_about() {
    let silent: Vec<PathBuf> = rust_files(Path::new("src"))
        .into_iter()
        .filter(|file| !fs::read_to_string(file).expect("is readable").starts_with("//! "))
        .collect();
    assert_eq!(silent, Vec::<PathBuf>::new());
}

/// Lines outside comments and tests, numbered.
fn code_lines(folder: &str) -> Vec<(PathBuf, usize, String)> {
    let mut files = rust_files(Path::new(folder));
    let module = PathBuf::from(format!("{folder}.rs"));
    if module.exists() {
        files.push(module);
    }
    let mut lines = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("is readable");
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        for (index, line) in code.lines().enumerate() {
            if !line.trim_start().starts_with("//") {
                lines.push((file.clone(), index + 1, line.to_owned()));
            }
        }
    }
    lines
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder exists") {
        let path = entry.expect("is readable").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Whether a line names a path or a type, and not merely a longer word that holds it.
fn names(line: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + name.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}
