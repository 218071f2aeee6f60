//! Commands that work on the database, beside a running server and on the same settings.

use crate::actions::Context;
use crate::app::database_target;
use crate::clock::Clock;
use crate::config::{Config, DatabaseUrl};
use crate::db::{Db, MigrationState, orgs};
use crate::secret::Random;

use super::Failure;

/// Opens the database and refuses one whose schema is not this program's.
pub async fn open(config: &Config) -> Result<Context, Failure> {
    let context = open_any_schema(config)?;
    match context.db.migration_state().await.map_err(Failure::failed)? {
        MigrationState::UpToDate => Ok(context),
        MigrationState::Behind => Err(Failure::Failed(
            "the database lacks migrations: run `grantor migrate up` or start the server once".into(),
        )),
        MigrationState::Newer(version) => Err(Failure::failed(crate::db::MigrateError::Newer(version))),
    }
}

/// Opens the database and brings it up to date first.
pub async fn open_migrated(config: &Config) -> Result<Context, Failure> {
    let context = open_any_schema(config)?;
    context.db.migrate().await.map_err(Failure::failed)?;
    Ok(context)
}

pub fn open_any_schema(config: &Config) -> Result<Context, Failure> {
    create_folder(config)?;
    let db = Db::open(&database_target(config))?;
    Ok(Context { db, clock: Clock::system(), random: Random::system() })
}

/// SQLite makes its file but not the folder around it. Only the owner may look into it.
fn create_folder(config: &Config) -> Result<(), Failure> {
    let DatabaseUrl::Sqlite(path) = &config.database.url else { return Ok(()) };
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) else {
        return Ok(());
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|cause| Failure::Failed(format!("cannot create {}: {cause}", folder.display())))
}

/// The organisation that a person named.
pub async fn org(context: &Context, name: &str) -> Result<orgs::Org, Failure> {
    let none = || Failure::Failed(format!("there is no organisation named {name:?}; `grantor org list` shows all"));
    orgs::find_by_name(&context.db, name).await?.ok_or_else(none)
}
