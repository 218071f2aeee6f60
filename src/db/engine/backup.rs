//! Online backups of an SQLite database. Copying the file while the server writes would corrupt
//! the copy.

use std::path::Path;

use crate::db::engine::error::DbError;
use crate::db::engine::{Db, Engine};

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(
        "backups of Postgres are made with pg_dump or pg_basebackup; `grantor backup` is for SQLite"
    )]
    NotSqlite,
    #[error("the path is not valid UTF-8")]
    Path,
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Db {
    /// Writes a consistent copy while readers and writers continue. SQLite refuses to overwrite a
    /// file that is not empty.
    pub async fn back_up(&self, to: &Path) -> Result<(), BackupError> {
        let Engine::Sqlite(pool) = &self.engine else { return Err(BackupError::NotSqlite) };
        let to = to.to_str().ok_or(BackupError::Path)?;
        // There is no deadline, because the duration depends on the size of the database.
        let mut checkout = pool.checkout().await.map_err(DbError::from)?;
        sqlx::query("VACUUM INTO $1")
            .bind(to)
            .execute(&mut *checkout.connection)
            .await
            .map_err(DbError::from)?;
        Ok(())
    }
}
