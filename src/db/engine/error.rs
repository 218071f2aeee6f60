//! Database errors, classified by what the caller can do about them.

use std::sync::Arc;

use sqlx::error::ErrorKind;

#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// No connection was free, and none could be opened in time.
    #[error("no database connection: {0}")]
    Unavailable(sqlx::Error),
    /// The connection was lost. It is unknown whether the statement took effect.
    #[error("the database connection was lost: {0}")]
    ConnectionLost(sqlx::Error),
    #[error("the database did not respond in time")]
    TimedOut,
    #[error("the queue for database work is full")]
    QueueFull,
    /// A retry may succeed.
    #[error("the transaction conflicted with another one: {0}")]
    Conflict(sqlx::Error),
    /// The database currently accepts no writes, because it is read-only or full.
    #[error("the database accepts no writes: {0}")]
    ReadOnly(sqlx::Error),
    /// Consecutive statements on one connection may run in different sessions.
    #[error(
        "the database is reached through a pooler in transaction mode, such as PgBouncer with pool_mode = transaction, which \
         Grantor does not support: set pool_mode = session for this database, or connect to Postgres directly"
    )]
    TransactionPooling,
    #[error("a row with this key already exists")]
    Duplicate,
    #[error("another row still references this one, or the referenced row does not exist")]
    Reference,
    /// A row holds a value that this program would not have written.
    #[error("{table}.{column} holds a value that cannot be read: {cause}")]
    Corrupt { table: &'static str, column: &'static str, cause: String },
    #[error("{0}")]
    Query(sqlx::Error),
    /// An error of a batch, shared by all its callers.
    #[error("{0}")]
    Shared(Arc<DbError>),
}

impl DbError {
    /// Returns true if a retry may succeed because the cause is the state of the database and not
    /// the request.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_)
            | Self::ConnectionLost(_)
            | Self::TimedOut
            | Self::QueueFull
            | Self::Conflict(_)
            | Self::ReadOnly(_) => true,
            Self::Shared(cause) => cause.is_transient(),
            Self::TransactionPooling
            | Self::Duplicate
            | Self::Reference
            | Self::Corrupt { .. }
            | Self::Query(_) => false,
        }
    }

    pub fn corrupt(table: &'static str, column: &'static str, cause: impl ToString) -> Self {
        Self::Corrupt { table, column, cause: cause.to_string() }
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Self::Unavailable(error),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed => Self::ConnectionLost(error),
            sqlx::Error::Database(cause) => match cause.kind() {
                ErrorKind::UniqueViolation => Self::Duplicate,
                ErrorKind::ForeignKeyViolation => Self::Reference,
                _ => by_code(cause.code().as_deref().unwrap_or_default())(error),
            },
            _ => Self::Query(error),
        }
    }
}

/// Classifies a SQLSTATE of Postgres or an (extended) result code of SQLite.
fn by_code(code: &str) -> fn(sqlx::Error) -> DbError {
    match code {
        // Serialization failure, deadlock, lock timeout; SQLITE_BUSY, SQLITE_LOCKED,
        // SQLITE_BUSY_SNAPSHOT.
        "40001" | "40P01" | "55P03" | "5" | "6" | "517" => DbError::Conflict,
        // Read-only transaction, disk full, out of memory.
        "25006" | "53100" | "53200" => DbError::ReadOnly,
        // Canceled by statement_timeout.
        "57014" => |_| DbError::TimedOut,
        // Too many connections; the server is starting or shutting down.
        "53300" | "57P03" => DbError::Unavailable,
        // Shut down by an administrator or a crash, idle in transaction too long, and class 08:
        // connection exceptions.
        "57P01" | "57P02" | "57P05" | "25P03" => DbError::ConnectionLost,
        code if code.starts_with("08") => DbError::ConnectionLost,
        code if is_sqlite_write_failure(code) => DbError::ReadOnly,
        _ => DbError::Query,
    }
}

/// Returns true if SQLite could not write: the file or its folder is read-only, the disk is full,
/// or a write, a sync or the shared memory of the log failed. The higher bits of a code hold
/// details. A SQLSTATE always has five characters, and a code of SQLite never does.
fn is_sqlite_write_failure(code: &str) -> bool {
    const SQLITE_READONLY: u32 = 8;
    const SQLITE_IOERR: u32 = 10;
    const SQLITE_FULL: u32 = 13;
    let is_write_failure =
        |code: u32| matches!(code & 0xFF, SQLITE_READONLY | SQLITE_IOERR | SQLITE_FULL);
    code.len() < 5 && code.parse::<u32>().is_ok_and(is_write_failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_disk_error_of_sqlite_is_transient() {
        // SQLITE_IOERR, then with the details WRITE, FSYNC, TRUNCATE and SHMSIZE.
        for code in ["10", "778", "1034", "1546", "4874"] {
            assert!(by_code(code)(sqlx::Error::PoolClosed).is_transient(), "{code}");
        }
        // SQLITE_READONLY, then with the details DIRECTORY, DBMOVED and RECOVERY; SQLITE_FULL; a
        // write error; a read-only transaction of Postgres.
        for code in ["8", "1544", "1032", "264", "13", "778", "25006"] {
            assert!(
                matches!(by_code(code)(sqlx::Error::PoolClosed), DbError::ReadOnly(_)),
                "{code}"
            );
        }
        for code in ["1", "11", "2067", "22021", "42P01", "XX000", ""] {
            assert!(!by_code(code)(sqlx::Error::PoolClosed).is_transient(), "{code}");
        }
    }
}
