//! The scripts of `tests/clients`, each run with the published packages that `scripts/install-clients` has installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

pub fn python(script: &str) -> Command {
    let mut command = Command::new(installed("python/bin/python3"));
    command.arg(source("python").join(script)).env("PYTHONDONTWRITEBYTECODE", "1").env("CLIENTS", clients());
    command
}

/// Which Node.js is the machine's business: the packages alone are installed.
pub fn node(script: &str) -> Command {
    installed("node/node_modules");
    let mut command = Command::new("node");
    command.arg(source("node").join(script)).env("CLIENTS", clients());
    command
}

/// Beside the programs that Cargo built.
pub fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder").to_owned()
}

fn clients() -> PathBuf {
    target().join("clients")
}

pub fn installed(path: &str) -> PathBuf {
    let path = clients().join(path);
    assert!(
        path.exists(),
        "the published clients are not installed: run scripts/install-clients ({path:?} is missing)"
    );
    path
}

fn source(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(language)
}

/// What has to be a string in what a script or a command has told.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no string"))
}
