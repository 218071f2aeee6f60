//! `grantor backup`: a copy of an SQLite database while the server runs.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::output::{self, Output};
use super::{Failure, block_on, database};
use crate::config::Loaded;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The file to write; refused where it exists.
    file: PathBuf,
}

pub fn run(arguments: Arguments, loaded: Loaded, output: Output) -> Result<(), Failure> {
    let file = arguments.file;
    if file.exists() {
        return Err(Failure::Failed(format!("{} exists already: name a new file", file.display())));
    }
    block_on(async {
        let context = database::open(&loaded.config).await?;
        context.db.back_up(&file).await.map_err(Failure::failed)
    })?;
    output::one(output, &json!({"file": file}), || format!("wrote {}", file.display()))
}
