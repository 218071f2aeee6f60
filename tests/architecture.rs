//! Rules about the files of this repository: which layer may import which, where SQL is allowed, and
//! the words of texts.

#![expect(clippy::expect_used, reason = "a test that cannot continue fails with a reason")]

#[path = "architecture/imports.rs"]
mod imports;
#[path = "architecture/words.rs"]
mod words;

use std::fs;
use std::path::{Path, PathBuf};

/// A folder, and the names that its files must not use.
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
    (
        "src/db",
        &["axum", "crate::http", "crate::actions", "crate::app", "crate::cli", "crate::delivery"],
    ),
    (
        "src/actions",
        &[
            "axum",
            "sqlx",
            "crate::http",
            "crate::app",
            "crate::cli",
            "crate::delivery",
            "StatusCode",
        ],
    ),
    (
        "src/delivery",
        &["axum", "sqlx", "crate::http", "crate::app", "crate::cli", "StatusCode", "Tx"],
    ),
    ("src/http", &["sqlx", "crate::cli", "crate::serve", "Tx"]),
    ("src/app", &["axum", "sqlx", "crate::http", "crate::cli", "crate::serve"]),
    (
        "src/limits",
        &["axum", "sqlx", "crate::http", "crate::db", "crate::actions", "crate::app", "crate::cli"],
    ),
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
        &[
            "axum",
            "sqlx",
            "tokio",
            "crate::http",
            "crate::db",
            "crate::actions",
            "crate::app",
            "crate::delivery",
        ],
    ),
    ("src/cli", &["axum", "sqlx"]),
    ("src/diagnose", &["sqlx"]),
];

/// The only files outside `src/http` that may import it.
const MAY_NAME_HTTP: &[&str] = &["src/serve.rs", "src/cli/server/openapi.rs", "src/lib.rs"];

#[test]
fn no_layer_imports_from_a_forbidden_layer() {
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
fn only_the_server_imports_http() {
    let outside = code_lines("src").into_iter().filter(|(file, _, line)| {
        let inside = file.starts_with("src/http")
            || MAY_NAME_HTTP.iter().any(|allowed| file == Path::new(allowed));
        !inside && line.contains("crate::http")
    });
    let found: Vec<String> =
        outside.map(|(file, number, _)| format!("{}:{number}", file.display())).collect();
    assert_eq!(found, Vec::<String>::new());
}

/// Another client could send requests to any address. Spans are sent only to the configured
/// collector.
#[test]
fn there_is_one_http_client() {
    const CLIENTS: [&str; 5] = [
        "reqwest",
        "hyper::client",
        "hyper_util::client",
        "opentelemetry_http",
        "opentelemetry_otlp",
    ];
    let mut found = Vec::new();
    for (file, number, line) in code_lines("src") {
        let guarded = file.starts_with("src/outgoing") || file == Path::new("src/outgoing/mod.rs");
        let exports =
            |name: &str| name == "opentelemetry_otlp" && file == Path::new("src/telemetry/mod.rs");
        for name in CLIENTS.iter().filter(|name| names(&line, name) && !exports(name)) {
            if !(guarded && *name == "reqwest") {
                found.push(format!("{}:{number} names {name}: {line}", file.display()));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn only_db_contains_sql() {
    const WORDS: [&str; 5] = ["SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM", "CREATE TABLE"];
    let outside = code_lines("src").into_iter().filter(|(file, _, line)| {
        !file.starts_with("src/db") && WORDS.iter().any(|word| line.contains(&format!("\"{word}")))
    });
    let found: Vec<String> =
        outside.map(|(file, number, _)| format!("{}:{number}", file.display())).collect();
    assert_eq!(found, Vec::<String>::new());
}

/// A newcomer reads a folder before searching, so it must be short.
#[test]
fn no_folder_has_too_many_entries() {
    const MAX_ENTRIES: usize = 31;
    let mut folders = vec![PathBuf::from("src")];
    let mut crowded = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries: Vec<PathBuf> = fs::read_dir(&folder)
            .expect("the folder exists")
            .map(|entry| entry.expect("is readable").path())
            .collect();
        if entries.len() > MAX_ENTRIES {
            crowded.push(format!("{} holds {}", folder.display(), entries.len()));
        }
        folders.extend(entries.into_iter().filter(|path| path.is_dir()));
    }
    assert_eq!(crowded, Vec::<String>::new());
}

/// Other transactions would not be retried after a conflict, and not counted.
#[test]
fn actions_run_their_transactions_with_transact() {
    let outside = code_lines("src/actions").into_iter().filter(|(file, _, line)| {
        file != Path::new("src/actions/transact.rs") && line.contains("db.begin()")
    });
    let found: Vec<String> =
        outside.map(|(file, number, _)| format!("{}:{number}", file.display())).collect();
    assert_eq!(found, Vec::<String>::new());
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
fn templates_contain_no_script_style_or_external_url_and_escape_everything() {
    const FORBIDDEN: [&str; 8] =
        ["safe", "escape", "<script", "<style", "style=", "javascript:", "http:", "https:"];
    let mut found = Vec::new();
    for entry in fs::read_dir("templates").expect("the folder exists") {
        let path = entry.expect("is readable").path();
        let text = fs::read_to_string(&path).expect("is readable");
        let is_markup = path.extension().is_some_and(|extension| extension == "html");
        for word in FORBIDDEN.iter().filter(|word| is_markup && text.contains(**word)) {
            found.push(format!("{} holds {word}", path.display()));
        }
        for handler in text
            .split([' ', '\n'])
            .filter(|word| is_markup && word.starts_with("on") && word.contains("=\""))
        {
            found.push(format!("{} holds {handler}", path.display()));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn only_one_type_writes_raw_markup_and_no_template_sets_its_escaping() {
    let lines = code_lines("src/http");
    let naming = |word: &str| lines.iter().filter(|(_, _, line)| line.contains(word)).count();

    assert_eq!(
        (naming("impl HtmlSafe for"), naming("MarkupDisplay"), naming("escape = ")),
        (1, 0, 0)
    );
}

/// A newcomer follows the tables of the map.
#[test]
fn the_map_names_only_files_that_exist() {
    let map = fs::read_to_string("src/lib.rs").expect("is readable");
    let named = map.split('`').filter(|text| text.ends_with(".rs") && !text.contains(' '));
    let missing: Vec<&str> = named
        .filter(|path| !Path::new(path).exists() && !Path::new("src").join(path).exists())
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn every_file_begins_with_a_module_comment() {
    let silent: Vec<PathBuf> = rust_files(Path::new("src"))
        .into_iter()
        .filter(|file| !fs::read_to_string(file).expect("is readable").starts_with("//! "))
        .collect();
    assert_eq!(silent, Vec::<PathBuf>::new());
}

/// The numbered lines outside of comments and tests.
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

/// Whether a line contains a path or type as a whole word.
fn names(line: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + name.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}
