//! Opens the database for commands, which can run next to a server with the same settings, and the
//! commands that copy or change it as a whole.

pub mod backup;
pub mod migrate;
pub mod restore;
pub mod sqlite_lock;

use std::io::ErrorKind;
use std::path::Path;

use crate::actions::context::Context;
use crate::actions::upkeep::follow_database_clock;
use crate::app::from_config::database_target;
use crate::clock::Clock;
use crate::config::{Config, DatabaseUrl};
use crate::db::engine::Db;
use crate::db::engine::migrate::{MigrateError, MigrationState};
use crate::metrics::transactions::TransactionMetrics;
use crate::passwords::Passwords;
use crate::random::Random;
use crate::sealing::KeyRing;

use crate::cli::failure::Failure;

/// Opens the database and refuses an incompatible schema. It never creates a database, so that a
/// command in the wrong place fails.
pub async fn open(config: &Config) -> Result<Context, Failure> {
    check_exists(config)?;
    let context = open_any_schema(config)?;
    let state = match schema_state(&context).await {
        Ok(state) => state,
        Err(error) => return Err(unusable(&context, config, error).await),
    };
    match state {
        MigrationState::UpToDate | MigrationState::Newer(_) => with_database_time(context).await,
        MigrationState::Behind => Err(Failure::Failed(format!(
            "the database {} lacks migrations: run `grantor migrate up` or start the server once",
            config.database.url
        ))),
        MigrationState::Incompatible { minimum } => {
            Err(Failure::failed(MigrateError::Incompatible { minimum }))
        }
    }
}

fn check_exists(config: &Config) -> Result<(), Failure> {
    match &config.database.url {
        DatabaseUrl::Sqlite(path) if !path.exists() => Err(Failure::Failed(format!(
            "there is no database at {} (`database.url`; a relative path starts at the current \
             folder): run this command in the folder of the server and with its settings, or start \
             the server once",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// Opens an existing database and migrates it first.
pub async fn open_existing_migrated(config: &Config) -> Result<Context, Failure> {
    check_exists(config)?;
    open_migrated(config).await
}

/// Opens the database and migrates it first.
pub async fn open_migrated(config: &Config) -> Result<Context, Failure> {
    let context = open_any_schema(config)?;
    match migrate(&context).await {
        Ok(()) => with_database_time(context).await,
        Err(error) => Err(unusable(&context, config, error).await),
    }
}

async fn schema_state(context: &Context) -> Result<MigrationState, MigrateError> {
    context.db.check_sessions().await?;
    context.db.migration_state().await
}

async fn migrate(context: &Context) -> Result<(), MigrateError> {
    context.db.check_sessions().await?;
    context.db.migrate().await
}

/// Sets the clock to the time of the database, which the servers use too.
async fn with_database_time(context: Context) -> Result<Context, Failure> {
    follow_database_clock::follow_database_clock(&context).await.map_err(Failure::failed)?;
    Ok(context)
}

async fn unusable(context: &Context, config: &Config, error: MigrateError) -> Failure {
    let why = match context.db.why_unreachable().await {
        Some(why) => why,
        None => error.to_string(),
    };
    Failure::Failed(format!("the database {} cannot be used: {why}", config.database.url))
}

pub fn open_any_schema(config: &Config) -> Result<Context, Failure> {
    if let DatabaseUrl::Sqlite(path) = &config.database.url {
        create_folder(path)?;
        create_database_file(path)?;
    }
    let db = Db::open(&database_target(config))?;
    Ok(Context {
        db,
        clock: Clock::system(),
        random: Random::system(),
        passwords: Passwords::default(),
        ring: KeyRing::none(),
        transactions: TransactionMetrics::default(),
    })
}

/// Creates the folder of the file, which SQLite does not do. Only its owner can access it.
fn create_folder(path: &Path) -> Result<(), Failure> {
    let Some(folder) =
        path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists())
    else {
        return Ok(());
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(folder)
        .map_err(|cause| Failure::Failed(format!("cannot create {}: {cause}", folder.display())))
}

/// Creates the file because SQLite would create it readable for everyone. Its other files get the
/// same mode.
fn create_database_file(path: &Path) -> Result<(), Failure> {
    match create_for_owner(path) {
        Err(cause) if cause.kind() != ErrorKind::AlreadyExists => {
            Err(Failure::Failed(format!("cannot create {}: {cause}", path.display())))
        }
        _ => Ok(()),
    }
}

/// Creates an empty file that only its owner can read and write; for SQLite, it is an empty
/// database. It fails if the file exists.
pub fn create_for_owner(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
