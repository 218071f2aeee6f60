//! One server per SQLite file: a second one would not see what the first keeps in memory, such as limits.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::cli::Failure;
use crate::config::{Config, DatabaseUrl};

/// Held by a running server. The system releases it when the process ends, however it ends.
pub struct SqliteLock {
    _file: Option<File>,
}

/// `None` inside on Postgres, which any number of servers may share. The database file exists. Other commands take no lock.
pub fn lock(config: &Config) -> Result<SqliteLock, Failure> {
    let DatabaseUrl::Sqlite(path) = &config.database.url else { return Ok(SqliteLock { _file: None }) };
    let file = open(&beside(path)?)?;
    match file.try_lock() {
        Ok(()) => Ok(SqliteLock { _file: Some(file) }),
        Err(TryLockError::WouldBlock) => Err(Failure::Failed(format!(
            "another server already uses the SQLite file {}: stop it first, or use Postgres, which any number of servers can \
             share",
            path.display()
        ))),
        // A file system without locks: better one server unprotected than none.
        Err(TryLockError::Error(cause)) if cause.kind() == ErrorKind::Unsupported => {
            tracing::warn!(%cause, "the file system cannot lock files: never start a second server on this database");
            Ok(SqliteLock { _file: None })
        }
        Err(TryLockError::Error(cause)) => Err(cause.into()),
    }
}

/// A file of its own: closing a second handle of the database file would release SQLite's locks. The same file whichever
/// link leads to the database.
fn beside(path: &Path) -> Result<PathBuf, Failure> {
    let mut name: OsString = path.canonicalize()?.into_os_string();
    name.push(".lock");
    Ok(name.into())
}

fn open(path: &Path) -> Result<File, Failure> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|cause| Failure::Failed(format!("cannot create {}: {cause}", path.display())))
}
