//! Allows one server per SQLite file. A second one would not share state in memory, such as rate
//! limits.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::cli::failure::Failure;
use crate::config::{Config, DatabaseUrl};

/// Held by a running server. The operating system releases it when the process exits for any
/// reason.
pub struct SqliteLock {
    _file: Option<File>,
}

/// Locks the database file, which must exist. On Postgres there is no lock, because any number of
/// servers can share it. Other commands do not lock.
pub fn lock(config: &Config) -> Result<SqliteLock, Failure> {
    let DatabaseUrl::Sqlite(path) = &config.database.url else {
        return Ok(SqliteLock { _file: None });
    };
    let file = open(&lock_path(path)?)?;
    match file.try_lock() {
        Ok(()) => Ok(SqliteLock { _file: Some(file) }),
        Err(TryLockError::WouldBlock) => Err(Failure::Failed(format!(
            "another server already uses the SQLite file {}: stop it first, or use Postgres, which \
             any number of servers can share",
            path.display()
        ))),
        // Without locks in the file system, an unprotected server is better than none.
        Err(TryLockError::Error(cause)) if cause.kind() == ErrorKind::Unsupported => {
            tracing::warn!(%cause, "the file system cannot lock files: never start a second server on this database");
            Ok(SqliteLock { _file: None })
        }
        Err(TryLockError::Error(cause)) => Err(cause.into()),
    }
}

/// Path of a separate lock file, because closing a second handle of the database file would release
/// SQLite's locks. Symbolic links are resolved, so that every path to the database has the same
/// lock file.
fn lock_path(path: &Path) -> Result<PathBuf, Failure> {
    let mut name: OsString = path.canonicalize()?.into_os_string();
    name.push(".lock");
    Ok(name.into())
}

fn open(path: &Path) -> Result<File, Failure> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .map_err(|cause| Failure::Failed(format!("cannot create {}: {cause}", path.display())))
}
