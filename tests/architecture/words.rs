//! Texts are written in plain American English.

use std::fs;
use std::path::{Path, PathBuf};

/// The beginnings of British spellings, and words that a plain text does not need.
const BANNED: [&str; 22] = [
    "artefact",
    "authoris",
    "behaviour",
    "cancelled",
    "cancelling",
    "catalogue",
    "colour",
    "favour",
    "honour",
    "initialis",
    "misspelt",
    "neighbour",
    "nobody who",
    "normalis",
    "organis",
    "recognis",
    "serialis",
    "somebody",
    "spelt",
    "summaris",
    "whilst",
    "whoever",
];

/// A setting that had a British name, and a test of a misspelled one.
const EXCEPTIONS: [(&str, &str); 4] = [
    ("CHANGELOG.md", "catalogue"),
    ("src/config/name.rs", "catalogue"),
    ("src/config/name.rs", "colour"),
    ("src/config/tests/errors.rs", "catalogue"),
];

#[test]
fn texts_are_in_plain_american_english() {
    let mut found = Vec::new();
    for file in text_files() {
        let text = fs::read_to_string(&file).expect("is readable").to_lowercase();
        for (index, line) in text.lines().enumerate() {
            // A method of Tokio.
            let line = line.replace("is_cancelled", "");
            for word in BANNED.iter().filter(|word| line.contains(**word)) {
                if !EXCEPTIONS
                    .iter()
                    .any(|(path, excepted)| file == Path::new(path) && excepted == word)
                {
                    found.push(format!("{}:{} contains {word:?}", file.display(), index + 1));
                }
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn every_exception_is_still_needed() {
    for (path, word) in EXCEPTIONS {
        let text = fs::read_to_string(path).expect("is readable").to_lowercase();
        assert!(text.contains(word), "{path} does not contain {word:?} any more");
    }
}

/// The files with texts for people. Migrations are left out, since they can never change, and tests,
/// since they quote what users write.
fn text_files() -> Vec<PathBuf> {
    const FILES: [&str; 6] = [
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Cargo.toml",
        "README.md",
        "SECURITY.md",
        "locales/en.toml",
    ];
    const FOLDERS: [&str; 6] = ["benches", "config", "docs", "scripts", "src", "templates"];
    let mut files: Vec<PathBuf> = FILES.iter().map(PathBuf::from).collect();
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(PathBuf::from).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder exists") {
            let path = entry.expect("is readable").path();
            if path.is_dir() {
                let is_installed = path.ends_with("node_modules");
                folders.extend((!is_installed).then_some(path));
            } else if is_text(&path) {
                files.push(path);
            }
        }
    }
    files
}

/// Scripts have no extension.
fn is_text(path: &Path) -> bool {
    path.extension().is_none_or(|extension| {
        ["html", "md", "rs", "toml"].iter().any(|known| extension == *known)
    })
}
