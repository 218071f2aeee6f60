//! Brings the schema up to date, once, however many replicas start at the same time.
//!
//! Postgres: the migrator takes an advisory lock, on a connection of its own without the statement timeout that serving
//! has. SQLite has no such lock, so the whole of it runs inside one write transaction.

use std::borrow::Cow;

use sqlx::Executor as _;
use sqlx::migrate::{Migrate as _, MigrateError as SqlxMigrateError, Migrator};

use super::{Db, DbError, Engine, with_conn};

static POSTGRES: Migrator = sqlx::migrate!("./migrations/postgres");
static SQLITE: Migrator = sqlx::migrate!("./migrations/sqlite");

#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error(
        "the database has migration {0}, which this version of grantor does not know: it was set up by a newer version. \
         Run that version, or restore a backup from before the upgrade"
    )]
    Newer(i64),
    #[error("migration {0} was changed after this database ran it")]
    Changed(i64),
    #[error("migration {version} fails: {cause}")]
    Fails { version: i64, cause: sqlx::Error },
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<sqlx::Error> for MigrateError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

impl From<SqlxMigrateError> for MigrateError {
    fn from(error: SqlxMigrateError) -> Self {
        match error {
            SqlxMigrateError::VersionMissing(version) => Self::Newer(version),
            SqlxMigrateError::VersionMismatch(version) => Self::Changed(version),
            SqlxMigrateError::ExecuteMigration(cause, version) => Self::Fails { version, cause },
            SqlxMigrateError::Execute(cause) => cause.into(),
            other => sqlx::Error::Migrate(Box::new(other)).into(),
        }
    }
}

/// One migration file, and whether this database has it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Migration {
    pub version: i64,
    pub name: Cow<'static, str>,
    pub applied: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationState {
    UpToDate,
    Behind,
    Newer(i64),
}

impl Db {
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        match &self.engine {
            Engine::Postgres(pool) => {
                let mut taken = pool.take().await?;
                // With settings of its own, and perhaps the lock, it is for nobody else.
                taken.connection.give_up();
                let conn = &mut *taken.connection;
                conn.execute("SET statement_timeout = 0; SET lock_timeout = 0").await?;
                Ok(POSTGRES.run_direct(None, conn, false).await?)
            }
            Engine::Sqlite(pool) => {
                let mut taken = pool.take().await?;
                let conn = &mut *taken.connection;
                conn.execute("BEGIN EXCLUSIVE").await?;
                let outcome = migrate_sqlite(conn).await;
                conn.execute(if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
                outcome
            }
        }
    }

    /// Every migration that this program knows, in order.
    pub async fn migrations(&self) -> Result<Vec<Migration>, MigrateError> {
        let applied = self.applied_migrations().await?;
        Ok(self
            .migrator()
            .iter()
            .map(|migration| Migration {
                version: migration.version,
                name: migration.description.clone(),
                applied: applied.contains(&migration.version),
            })
            .collect())
    }

    /// For `/readyz` and for start-up: may this program work on this schema?
    pub async fn migration_state(&self) -> Result<MigrationState, MigrateError> {
        let applied = self.applied_migrations().await?;
        if let Some(unknown) = applied.iter().find(|version| !self.migrator().version_exists(**version)) {
            return Ok(MigrationState::Newer(*unknown));
        }
        let complete = self.migrator().iter().all(|migration| applied.contains(&migration.version));
        Ok(if complete { MigrationState::UpToDate } else { MigrationState::Behind })
    }

    fn migrator(&self) -> &'static Migrator {
        match self.engine {
            Engine::Postgres(_) => &POSTGRES,
            Engine::Sqlite(_) => &SQLITE,
        }
    }

    /// Empty where nothing was ever applied, that is, where the migrator's own table does not exist.
    async fn applied_migrations(&self) -> Result<Vec<i64>, MigrateError> {
        const EXISTS_POSTGRES: &str = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";
        const EXISTS_SQLITE: &str = "SELECT count(*) > 0 FROM sqlite_master WHERE name = '_sqlx_migrations'";
        let db = self;
        let exists: bool = with_conn!(
            db,
            postgres | conn | sqlx::query_scalar(EXISTS_POSTGRES).fetch_one(conn).await,
            sqlite | conn | sqlx::query_scalar(EXISTS_SQLITE).fetch_one(conn).await
        )?;
        if !exists {
            return Ok(Vec::new());
        }
        Ok(with_conn!(db, |conn| sqlx::query_scalar(
            "SELECT version FROM _sqlx_migrations WHERE success ORDER BY version"
        )
        .fetch_all(conn)
        .await)?)
    }
}

/// What the migrator would do, without the transaction per file that cannot be nested in ours.
async fn migrate_sqlite(conn: &mut sqlx::SqliteConnection) -> Result<(), MigrateError> {
    let table = "_sqlx_migrations";
    conn.ensure_migrations_table(table).await?;
    let applied = conn.list_applied_migrations(table).await?;
    for done in &applied {
        match SQLITE.iter().find(|known| known.version == done.version) {
            None => return Err(MigrateError::Newer(done.version)),
            Some(known) if known.checksum != done.checksum => return Err(MigrateError::Changed(done.version)),
            Some(_) => {}
        }
    }
    for migration in SQLITE.iter().filter(|known| applied.iter().all(|done| done.version != known.version)) {
        let fails = |cause| MigrateError::Fails { version: migration.version, cause };
        sqlx::raw_sql(migration.sql.clone()).execute(&mut *conn).await.map_err(fails)?;
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES ($1, $2, TRUE, $3, 0)",
        )
        .bind(migration.version)
        .bind(&*migration.description)
        .bind(&*migration.checksum)
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}
