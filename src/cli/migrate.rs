//! `grantor migrate`: the schema, up to date or where it stands.

use clap::Subcommand;

use super::output::{self, Output};
use super::{Failure, block_on, database};
use crate::config::Loaded;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the migrations that are missing. The server does so too when it starts.
    Up,
    /// List the migrations and whether this database has them.
    Status,
}

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    let migrations = block_on(async {
        let context = database::open_any_schema(&loaded.config)?;
        if matches!(command, Command::Up) {
            context.db.migrate().await.map_err(Failure::failed)?;
        }
        context.db.migrations().await.map_err(Failure::failed)
    })?;
    output::list(output, &migrations, &["version", "name", "applied"])
}
