//! `grantor backup`: a copy of an SQLite database while the server runs.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::output::Output;
use crate::cli::{Failure, block_on, database, output};
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
            // It is empty, and would be in the way of the next attempt.
            let _ = std::fs::remove_file(&file);
            Failure::failed(cause)
        })
    })?;
    output::one(output, &json!({"file": file}), || format!("wrote {}", file.display()))
}

/// Only for its owner: a backup holds what the database holds. SQLite writes into an empty file.
fn create(file: &Path) -> Result<(), Failure> {
    database::create_for_owner(file).map_err(|cause| match cause.kind() {
        ErrorKind::AlreadyExists => Failure::Failed(format!("{} already exists; name a new file", file.display())),
        _ => Failure::Failed(format!("cannot create {}: {cause}", file.display())),
    })
}
