//! Runs the schema migrations, exactly once even if several replicas start at the same time.
//!
//! On Postgres, the migrator holds an advisory lock on a connection of its own. It limits its lock
//! waits by [`SESSION_SETTINGS`], because a statement that waits for a table behind a long reader,
//! such as `pg_dump`, blocks every later query on that table. It gives up after the limit, lets the
//! queries run, and tries again. SQLite has no such lock: all migrations run in one write
//! transaction.
//!
//! An older version works on a newer schema, for example during a rolling upgrade, unless the table
//! `schema_compatibility` forbids it.

mod schema;

use std::borrow::Cow;
use std::sync::LazyLock;
use std::time::Duration;

use sqlx::Executor as _;
use sqlx::migrate::{Migrate as _, MigrateError as SqlxMigrateError, Migrator};

use crate::db::engine::error::DbError;
pub use crate::db::engine::migrate::schema::{Migration, MigrationState};
use crate::db::engine::pool::Pool;
use crate::db::engine::{Db, Engine, with_conn};

static POSTGRES: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrator = sqlx::migrate!("./migrations/postgres");
    migrator.set_ignore_missing(true);
    migrator
});
static SQLITE: Migrator = sqlx::migrate!("./migrations/sqlite");

/// The lock timeout is short, so that queries blocked by a waiting migration are only slow.
const SESSION_SETTINGS: &str = "SET statement_timeout = 0; SET lock_timeout = '500ms'";
/// Twice the lock timeout, so that blocked queries can finish between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
const MAX_FIRST_READS: u32 = 50;
const FIRST_READ_INTERVAL: Duration = Duration::from_millis(20);
const MAX_ATTEMPTS: u32 = 40;

#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error(
        "a newer version of grantor changed this database: it requires a version that knows migration {minimum}. Run the \
         newer version, or restore a backup from before the upgrade"
    )]
    Incompatible { minimum: i64 },
    #[error("migration {0} was changed after this database ran it")]
    Changed(i64),
    #[error("migration {version} failed: {cause}")]
    Failed { version: i64, cause: DbError },
    #[error(
        "the migrations could not lock their tables because another session uses them, such as a long query, pg_dump or \
         another migration; this attempt changed nothing and can be retried"
    )]
    Locked,
    #[error(transparent)]
    Db(#[from] DbError),
}

impl MigrateError {
    /// Returns true if a retry may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Locked => true,
            Self::Db(cause) => cause.is_transient(),
            Self::Incompatible { .. } | Self::Changed(_) | Self::Failed { .. } => false,
        }
    }
}

impl From<sqlx::Error> for MigrateError {
    fn from(error: sqlx::Error) -> Self {
        match error.into() {
            DbError::Conflict(_) => Self::Locked,
            cause => Self::Db(cause),
        }
    }
}

impl From<SqlxMigrateError> for MigrateError {
    fn from(error: SqlxMigrateError) -> Self {
        match error {
            SqlxMigrateError::VersionMismatch(version) => Self::Changed(version),
            SqlxMigrateError::ExecuteMigration(cause, version) => match cause.into() {
                Self::Db(cause) if !cause.is_transient() => Self::Failed { version, cause },
                transient => transient,
            },
            SqlxMigrateError::Execute(cause) => cause.into(),
            other => sqlx::Error::Migrate(Box::new(other)).into(),
        }
    }
}

/// A migration as recorded in the database.
#[derive(sqlx::FromRow)]
struct Applied {
    version: i64,
    description: String,
    checksum: Vec<u8>,
}

impl Db {
    /// Runs the missing migrations. Fails if this version cannot work on the schema.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        for migration in self.read_new_database().await? {
            let known = self.migrator().iter().find(|known| known.version == migration.version);
            if known.is_some_and(|known| *known.checksum != *migration.checksum) {
                return Err(MigrateError::Changed(migration.version));
            }
        }
        if self.is_schema_usable().await? {
            return Ok(());
        }
        match &self.engine {
            Engine::Postgres(pool) => migrate_postgres_with_retries(pool).await?,
            Engine::Sqlite(pool) => migrate_sqlite(pool).await?,
        }
        // A newer version may have migrated the schema in the meantime.
        self.is_schema_usable().await.map(drop)
    }

    /// Lists the applied migrations on the first connection. On a new file that connection turns on
    /// SQLite's write-ahead log. SQLite does not wait for another connection that does the same, but
    /// fails at once.
    async fn read_new_database(&self) -> Result<Vec<Applied>, MigrateError> {
        for _ in 0..MAX_FIRST_READS {
            match self.applied_migrations().await {
                Err(MigrateError::Db(DbError::Conflict(_))) => {
                    tokio::time::sleep(FIRST_READ_INTERVAL).await
                }
                outcome => return outcome,
            }
        }
        self.applied_migrations().await
    }

    /// Returns false if migrations are missing.
    async fn is_schema_usable(&self) -> Result<bool, MigrateError> {
        match self.migration_state().await? {
            MigrationState::Incompatible { minimum } => Err(MigrateError::Incompatible { minimum }),
            state => Ok(state.is_usable()),
        }
    }

    /// Lists every migration that this version knows or this database has, in order.
    pub async fn migrations(&self) -> Result<Vec<Migration>, MigrateError> {
        let applied = self.applied_migrations().await?;
        let mut migrations: Vec<Migration> = self
            .migrator()
            .iter()
            .map(|migration| Migration {
                version: migration.version,
                name: migration.description.clone(),
                applied: applied.iter().any(|applied| applied.version == migration.version),
                known: true,
            })
            .collect();
        let unknown =
            applied.into_iter().filter(|applied| !self.migrator().version_exists(applied.version));
        migrations.extend(unknown.map(|applied| Migration {
            version: applied.version,
            name: Cow::Owned(applied.description),
            applied: true,
            known: false,
        }));
        migrations.sort_by_key(|migration| migration.version);
        Ok(migrations)
    }

    /// Compares the migrations of the database with those of this version.
    pub async fn migration_state(&self) -> Result<MigrationState, MigrateError> {
        let known: Vec<i64> = self.migrator().iter().map(|migration| migration.version).collect();
        let applied: Vec<i64> =
            self.applied_migrations().await?.iter().map(|applied| applied.version).collect();
        Ok(schema::state(&known, &applied, self.minimum_migration().await?))
    }

    fn migrator(&self) -> &'static Migrator {
        match self.engine {
            Engine::Postgres(_) => &POSTGRES,
            Engine::Sqlite(_) => &SQLITE,
        }
    }

    /// Returns an empty list if no migration was ever applied, so that the migrator's table does
    /// not exist.
    async fn applied_migrations(&self) -> Result<Vec<Applied>, MigrateError> {
        const APPLIED: &str = "SELECT version, description, checksum FROM _sqlx_migrations WHERE success ORDER BY version";
        if !self.has_table("_sqlx_migrations").await? {
            return Ok(Vec::new());
        }
        let db = self;
        Ok(with_conn!(db, |conn| sqlx::query_as(APPLIED).fetch_all(conn).await)?)
    }

    /// Returns 0 if the schema is older than the table `schema_compatibility`.
    async fn minimum_migration(&self) -> Result<i64, MigrateError> {
        if !self.has_table("schema_compatibility").await? {
            return Ok(0);
        }
        const MINIMUM: &str =
            "SELECT COALESCE(MAX(minimum_migration), 0) FROM schema_compatibility";
        let db = self;
        Ok(with_conn!(db, |conn| sqlx::query_scalar(MINIMUM).fetch_one(conn).await)?)
    }

    async fn has_table(&self, name: &'static str) -> Result<bool, DbError> {
        const ON_POSTGRES: &str = "SELECT to_regclass($1) IS NOT NULL";
        const ON_SQLITE: &str = "SELECT count(*) > 0 FROM sqlite_master WHERE name = $1";
        let db = self;
        with_conn!(
            db,
            |postgres| sqlx::query_scalar(ON_POSTGRES).bind(name).fetch_one(postgres).await,
            |sqlite| sqlx::query_scalar(ON_SQLITE).bind(name).fetch_one(sqlite).await,
        )
    }
}

async fn migrate_postgres_with_retries(pool: &Pool<sqlx::Postgres>) -> Result<(), MigrateError> {
    let mut attempt = 1;
    loop {
        match migrate_postgres(pool).await {
            Err(MigrateError::Locked) if attempt < MAX_ATTEMPTS => {
                if attempt == 1 {
                    tracing::info!(
                        "the migrations are waiting for a lock; queries continue in the meantime"
                    );
                }
                attempt += 1;
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
            outcome => return outcome,
        }
    }
}

async fn migrate_postgres(pool: &Pool<sqlx::Postgres>) -> Result<(), MigrateError> {
    let mut checkout = pool.checkout().await?;
    // The connection gets its own settings and holds the migrator's lock, so it must not return to
    // the pool. Closing it releases the lock.
    checkout.connection.discard();
    let conn = &mut *checkout.connection;
    conn.execute(SESSION_SETTINGS).await?;
    Ok(POSTGRES.run_direct(None, conn, false).await?)
}

async fn migrate_sqlite(pool: &Pool<sqlx::Sqlite>) -> Result<(), MigrateError> {
    let mut checkout = pool.checkout().await?;
    let conn = &mut *checkout.connection;
    conn.execute("BEGIN EXCLUSIVE").await?;
    let outcome = run_missing(conn).await;
    conn.execute(if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
    outcome
}

/// Does the same as sqlx's migrator, except for its transaction per file, which cannot be nested in
/// this transaction.
async fn run_missing(conn: &mut sqlx::SqliteConnection) -> Result<(), MigrateError> {
    let table = "_sqlx_migrations";
    conn.ensure_migrations_table(table).await?;
    let applied = conn.list_applied_migrations(table).await?;
    for migration in
        SQLITE.iter().filter(|known| applied.iter().all(|done| done.version != known.version))
    {
        let failed = |cause: sqlx::Error| MigrateError::Failed {
            version: migration.version,
            cause: cause.into(),
        };
        sqlx::raw_sql(migration.sql.clone()).execute(&mut *conn).await.map_err(failed)?;
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
