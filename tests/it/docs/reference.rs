//! The pages of `docs/reference` that are rendered from what the program knows, so that they cannot be wrong.
//!
//! After a change, `GRANTOR_WRITE_DOCS=1 cargo test --test it docs::reference` writes them.

mod api;
mod cli;
mod scopes;
mod settings;

use std::fs;
use std::path::{Path, PathBuf};

const FOLDER: &str = "docs/reference";
const HOW_TO_WRITE: &str =
    "GRANTOR_WRITE_DOCS=1 cargo test --test it docs::reference writes the pages";

struct Page {
    /// Below `docs/reference`.
    path: String,
    text: String,
}

impl Page {
    fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }
}

/// Compares pages with their files. If `GRANTOR_WRITE_DOCS` is 1, writes the files first.
fn compare(pages: &[Page]) {
    let is_writing = std::env::var_os("GRANTOR_WRITE_DOCS").is_some_and(|value| value == "1");
    for page in pages {
        let file = Path::new(FOLDER).join(&page.path);
        if is_writing {
            fs::create_dir_all(file.parent().expect("a folder")).expect("the folder can be made");
            fs::write(&file, &page.text).expect("the page can be written");
        }
        let stored = fs::read_to_string(&file).unwrap_or_default();
        assert!(stored == page.text, "{}", difference(&file, &stored, &page.text));
    }
}

/// Fails if a folder contains a page that is no longer rendered.
fn has_no_other_page(folder: &str, pages: &[Page]) {
    let rendered: Vec<PathBuf> =
        pages.iter().map(|page| Path::new(FOLDER).join(&page.path)).collect();
    for entry in fs::read_dir(Path::new(FOLDER).join(folder)).expect("the folder exists") {
        let file = entry.expect("is readable").path();
        assert!(rendered.contains(&file), "{} is not rendered any more: delete it", file.display());
    }
}

fn difference(file: &Path, stored: &str, rendered: &str) -> String {
    let same = stored
        .lines()
        .zip(rendered.lines())
        .take_while(|(stored, rendered)| stored == rendered)
        .count();
    let wanted = rendered.lines().nth(same).unwrap_or("the end of the page");
    format!("{}:{} should be\n{wanted}\n{HOW_TO_WRITE}", file.display(), same + 1)
}
