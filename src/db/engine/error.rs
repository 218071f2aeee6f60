//! What can go wrong in the database, sorted by what the caller may do about it.

use std::sync::Arc;

use sqlx::error::ErrorKind;

#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// No connection was free or could be made in time.
    #[error("no database connection: {0}")]
    Unavailable(sqlx::Error),
    /// The connection broke; whether the statement happened is unknown.
    #[error("the database connection was lost: {0}")]
    ConnectionLost(sqlx::Error),
    #[error("the database did not answer in time")]
    TimedOut,
    /// More work is waiting than the queue may hold.
    #[error("too many writes are waiting")]
    QueueFull,
    /// Another transaction was in the way; doing the same again may succeed.
    #[error("the transaction met another one: {0}")]
    Conflict(sqlx::Error),
    /// The database takes no writes at the moment: it is read-only or full.
    #[error("the database takes no writes: {0}")]
    ReadOnly(sqlx::Error),
    /// Consecutive statements on one connection run in different sessions.
    #[error(
        "the database is reached through a pooler in transaction mode, such as PgBouncer with pool_mode = transaction, which \
         Grantor does not support: set pool_mode = session for this database, or connect to Postgres directly"
    )]
    TransactionPooling,
    #[error("a row with this key exists")]
    Duplicate,
    #[error("another row still needs this one, or the row it needs is gone")]
    Reference,
    /// A row holds what this program would not have written.
    #[error("{table}.{column} holds a value that cannot be read: {cause}")]
    Corrupt { table: &'static str, column: &'static str, cause: String },
    #[error("{0}")]
    Query(sqlx::Error),
    /// One failure of a batch, told to everyone in it.
    #[error("{0}")]
    Shared(Arc<DbError>),
}

impl DbError {
    /// Trying later may help: the cause is the database's state, not the request.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_)
            | Self::ConnectionLost(_)
            | Self::TimedOut
            | Self::QueueFull
            | Self::Conflict(_)
            | Self::ReadOnly(_) => true,
            Self::Shared(cause) => cause.is_transient(),
            Self::TransactionPooling | Self::Duplicate | Self::Reference | Self::Corrupt { .. } | Self::Query(_) => {
                false
            }
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
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
                Self::ConnectionLost(error)
            }
            sqlx::Error::Database(told) => match told.kind() {
                ErrorKind::UniqueViolation => Self::Duplicate,
                ErrorKind::ForeignKeyViolation => Self::Reference,
                _ => by_code(told.code().as_deref().unwrap_or_default())(error),
            },
            _ => Self::Query(error),
        }
    }
}

/// SQLSTATE of Postgres, or the (extended) result code of SQLite.
fn by_code(code: &str) -> fn(sqlx::Error) -> DbError {
    match code {
        // Serialization failure, deadlock, lock timeout; SQLITE_BUSY, SQLITE_LOCKED, SQLITE_BUSY_SNAPSHOT.
        "40001" | "40P01" | "55P03" | "5" | "6" | "517" => DbError::Conflict,
        // Read-only transaction, disk full, out of memory.
        "25006" | "53100" | "53200" => DbError::ReadOnly,
        // Cancelled by statement_timeout.
        "57014" => |_| DbError::TimedOut,
        // Too many connections; connecting while it starts or stops.
        "53300" | "57P03" => DbError::Unavailable,
        // Shut down by an administrator or a crash, idle in transaction too long, and class 08: connection exceptions.
        "57P01" | "57P02" | "57P05" | "25P03" => DbError::ConnectionLost,
        code if code.starts_with("08") => DbError::ConnectionLost,
        code if sqlite_takes_no_writes(code) => DbError::ReadOnly,
        _ => DbError::Query,
    }
}

/// With any detail in the higher bits: the folder is read-only; a write, a sync or the shared memory of the log failed. A
/// SQLSTATE has five characters, and no code of SQLite has.
fn sqlite_takes_no_writes(code: &str) -> bool {
    const SQLITE_READONLY: u32 = 8;
    const SQLITE_IOERR: u32 = 10;
    const SQLITE_FULL: u32 = 13;
    let takes_none = |code: u32| matches!(code & 0xFF, SQLITE_READONLY | SQLITE_IOERR | SQLITE_FULL);
    code.len() < 5 && code.parse::<u32>().is_ok_and(takes_none)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_fails_is_no_fault_of_the_request_whatever_sqlite_was_doing() {
        let (write, fsync, truncate, shared_memory_size) = ("778", "1034", "1546", "4874");
        for code in ["10", write, fsync, truncate, shared_memory_size] {
            assert!(by_code(code)(sqlx::Error::PoolClosed).is_transient(), "{code}");
        }
        let (directory, moved, recovery) = ("1544", "1032", "264");
        for code in ["8", directory, moved, recovery, "13", "778", "25006"] {
            assert!(matches!(by_code(code)(sqlx::Error::PoolClosed), DbError::ReadOnly(_)), "{code}");
        }
        for code in ["1", "11", "2067", "22021", "42P01", "XX000", ""] {
            assert!(!by_code(code)(sqlx::Error::PoolClosed).is_transient(), "{code}");
        }
    }
}
