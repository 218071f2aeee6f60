//! `grantor backup`: copies an SQLite database while the server runs.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::runtime::block_on;
use crate::cli::{database, output};
use crate::config::Loaded;

#[derive(Debug, Args)]
pub struct Arguments {
    /// File to write. It must not exist yet.
    file: PathBuf,
}

pub fn run(arguments: Arguments, loaded: Loaded, output: Output) -> Result<(), Failure> {
    let file = arguments.file;
    block_on(async {
        let context = database::open(&loaded.config).await?;
        create(&file)?;
        let written = context.db.back_up(&file).await;
        written.map_err(|cause| {
            // The file is empty and would make the next attempt fail.
            let _ = std::fs::remove_file(&file);
            Failure::failed(cause)
        })
    })?;
    output::item(output, &json!({"file": file}), || format!("wrote {}", file.display()))
}

/// Creates a file that only its owner can read, like the database. SQLite writes into an empty
/// file.
fn create(file: &Path) -> Result<(), Failure> {
    database::create_for_owner(file).map_err(|cause| match cause.kind() {
        ErrorKind::AlreadyExists => {
            Failure::Failed(format!("{} already exists; name a new file", file.display()))
        }
        _ => Failure::Failed(format!("cannot create {}: {cause}", file.display())),
    })
}
