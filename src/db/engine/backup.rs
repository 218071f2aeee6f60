//! An online copy of an SQLite database. Copying the file by hand would tear it while the server writes.

use std::path::Path;

use crate::db::engine::error::DbError;
use crate::db::engine::{Db, Engine};

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("backups of Postgres are made with pg_dump or pg_basebackup; `grantor backup` is for SQLite")]
    NotSqlite,
    #[error("the path is not valid UTF-8")]
    Path,
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Db {
    /// Writes a consistent copy beside running readers and writers. SQLite refuses a file that exists and is not empty.
    pub async fn back_up(&self, to: &Path) -> Result<(), BackupError> {
        let Engine::Sqlite(pool) = &self.engine else { return Err(BackupError::NotSqlite) };
        let to = to.to_str().ok_or(BackupError::Path)?;
        // Without a deadline: copying takes as long as it takes.
        let mut taken = pool.take().await.map_err(DbError::from)?;
        sqlx::query("VACUUM INTO $1").bind(to).execute(&mut *taken.connection).await.map_err(DbError::from)?;
        Ok(())
    }
}
