//! `grantor migrate`: updates the database schema, or shows its state.

use clap::Subcommand;

use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::runtime::block_on;
use crate::cli::{database, output};
use crate::config::Loaded;
use crate::db::engine::migrate::{MigrateError, Migration, MigrationState};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the missing migrations. The server also runs them when it starts.
    Up,
    /// List the migrations that this version knows or the database has. Exits with 3 if the two differ.
    Status,
}

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    let (migrations, state) = block_on(async {
        let context = database::open_any_schema(&loaded.config)?;
        context.db.check_sessions().await.map_err(Failure::failed)?;
        if matches!(command, Command::Up) {
            context.db.migrate().await.map_err(Failure::failed)?;
        }
        let migrations = context.db.migrations().await.map_err(Failure::failed)?;
        Ok::<_, Failure>((migrations, context.db.migration_state().await.map_err(Failure::failed)?))
    })?;
    output::list(output, &migrations, &["version", "name", "applied", "known"])?;
    match command {
        Command::Up => Ok(()),
        Command::Status => judge(state, &migrations),
    }
}

fn judge(state: MigrationState, migrations: &[Migration]) -> Result<(), Failure> {
    Err(Failure::Problem(match state {
        MigrationState::UpToDate => return Ok(()),
        MigrationState::Behind => {
            let missing = migrations.iter().filter(|migration| !migration.applied).count();
            format!(
                "{missing} migrations are missing: run `grantor migrate up`, or start the server"
            )
        }
        MigrationState::Newer(version) => format!(
            "a newer version of grantor extended the schema, up to migration {version}. This \
             version works with it; finish the upgrade"
        ),
        MigrationState::Incompatible { minimum } => {
            MigrateError::Incompatible { minimum }.to_string()
        }
    }))
}
