//! The scripts of `tests/clients`, each run with the published packages that `scripts/install-clients` has installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

pub fn python(script: &str) -> Command {
    let mut command = Command::new(installed("python/bin/python3"));
    command
        .arg(source("python").join(script))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("CLIENTS", clients());
    command
}

/// The Node.js of this machine is used. Only the packages are installed.
pub fn node(script: &str) -> Command {
    installed("node/node_modules");
    let mut command = Command::new("node");
    command.arg(source("node").join(script)).env("CLIENTS", clients());
    command
}

/// Next to the programs that Cargo built.
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

/// A member that must be a string, from the output of a script or command.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string"))
}
