//! Chooses the key ring of a server: the one in the settings, or a default.
//!
//! A SQLite database has one server, so a key file next to the database is enough. It is created if
//! it does not exist. With Postgres, every server needs the same ring, so it must be set. Only a
//! trial without https runs without it.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::config::{Config, DatabaseUrl};
use crate::db::engine::Db;
use crate::db::engine::error::DbError;
use crate::db::keys::ring_usage;
use crate::random::Random;
use crate::rules::secret::Secret;
use crate::sealing;
use crate::sealing::KeyRing;

#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    #[error(
        "`secrets.key` is not set, but servers that share a Postgres database need it: set \
         GRANTOR_SECRETS__KEY to the output of `openssl rand -base64 32`, or GRANTOR_SECRETS__KEY_FILE \
         to the path of a file with it. Use the same key on every server"
    )]
    NotSet,
    #[error("the key file {} cannot be {attempt}: {cause}", .path.display())]
    File { path: PathBuf, attempt: &'static str, cause: std::io::Error },
    #[error(
        "the key file {} is empty, since its creation was interrupted. Delete it if it never encrypted \
         anything",
        .path.display()
    )]
    Empty { path: PathBuf },
    #[error(
        "the key file {} is missing. The database next to it was used with a key file, and its \
         signing keys and secrets cannot be decrypted without it. Restore the file from your copy. If \
         it is lost, create a new one with `(umask 077; openssl rand -base64 32 > {})`, run `grantor \
         keys rotate --now`, and run `grantor keys forget` for each key that the server then reports",
        .path.display(),
        .path.display()
    )]
    Missing { path: PathBuf },
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("the key file {} cannot be used: {cause}", .path.display())]
    Wrong { path: PathBuf, cause: sealing::KeyRingError },
}

/// Returns the ring of this database. A key file is created only for a database that never had one:
/// with existing data, a new key would open nothing and hide that the old one is missing.
pub async fn ring_for_database(
    config: &Config,
    random: &Random,
    db: &Db,
) -> Result<KeyRing, KeyRingError> {
    match file(config) {
        Some(path) if !path.exists() && ring_usage::is_used(db).await? => {
            Err(KeyRingError::Missing { path })
        }
        _ => ring_for(config, random),
    }
}

/// Returns the ring. If it comes from a key file, the first call creates the file. Warnings are
/// logged.
pub fn ring_for(config: &Config, random: &Random) -> Result<KeyRing, KeyRingError> {
    check(config)?;
    match (&config.secrets.key, &config.database.url) {
        (Some(ring), _) => Ok(ring.clone()),
        (None, DatabaseUrl::Sqlite(path)) => from_file(&beside(path), random),
        (None, DatabaseUrl::Postgres(_)) => {
            tracing::warn!(
                "`secrets.key` is not set, so secrets in the database are encrypted with a publicly \
                 known key: use this only for trials"
            );
            Ok(KeyRing::development())
        }
    }
}

/// Checks that there is a ring, without creating one.
pub fn check(config: &Config) -> Result<(), KeyRingError> {
    let is_shared = matches!(config.database.url, DatabaseUrl::Postgres(_));
    if config.secrets.key.is_none() && is_shared && config.http.public_url.starts_with("https://") {
        return Err(KeyRingError::NotSet);
    }
    Ok(())
}

/// Returns the path of the key file, if the ring comes from one.
pub fn file(config: &Config) -> Option<PathBuf> {
    match (&config.secrets.key, &config.database.url) {
        (None, DatabaseUrl::Sqlite(path)) => Some(beside(path)),
        _ => None,
    }
}

/// `grantor.key` for `grantor.db`.
fn beside(database: &Path) -> PathBuf {
    let key = database.with_extension("key");
    if key == database { database.with_extension("key.key") } else { key }
}

fn from_file(path: &Path, random: &Random) -> Result<KeyRing, KeyRingError> {
    let text = match read(path) {
        Err(KeyRingError::File { cause, .. }) if cause.kind() == ErrorKind::NotFound => {
            make(path, random)?
        }
        outcome => outcome?,
    };
    KeyRing::parse(&text).map_err(|cause| KeyRingError::Wrong { path: path.to_owned(), cause })
}

/// Waits for a key file that is still empty: a server that started at the same time may have
/// created it but not written it yet.
fn read(path: &Path) -> Result<Secret, KeyRingError> {
    const ATTEMPTS: u32 = 100;
    const PAUSE: Duration = Duration::from_millis(20);
    for _ in 0..ATTEMPTS {
        let text = std::fs::read_to_string(path).map_err(failed(path, "read"))?;
        if !text.is_empty() {
            return Ok(Secret::new(text));
        }
        std::thread::sleep(PAUSE);
    }
    Err(KeyRingError::Empty { path: path.to_owned() })
}

fn make(path: &Path, random: &Random) -> Result<Secret, KeyRingError> {
    let key = sealing::new_ring_key(random);
    match write_new(path, &key) {
        Ok(()) => {
            tracing::warn!(
                file = %path.display(),
                "a key file was created: keep a copy of it, separate from the backups of the \
                 database"
            );
            Ok(key)
        }
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => read(path),
        Err(cause) => Err(failed(path, "created")(cause)),
    }
}

/// Writes the file for its owner only, and flushes it to disk before anything is sealed with it.
fn write_new(path: &Path, key: &Secret) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let line = Zeroizing::new(format!("{}\n", key.expose()));
    file.write_all(line.as_bytes())?;
    file.sync_all()?;
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}

fn failed(path: &Path, attempt: &'static str) -> impl FnOnce(std::io::Error) -> KeyRingError {
    move |cause| KeyRingError::File { path: path.to_owned(), attempt, cause }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;
    use crate::config::Sources;

    const KEY: &str = "2026:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

    fn config(settings: &[(&str, &str)]) -> Config {
        let sources = Sources {
            file: None,
            environment: Vec::new(),
            flags: settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            read_file: |path| std::fs::read_to_string(path),
        };
        Config::load(&sources).expect("settings").config
    }

    fn on_file(folder: &TempDir) -> Config {
        config(&[(
            "database.url",
            &format!("sqlite:{}", folder.path().join("grantor.db").display()),
        )])
    }

    fn ids(config: &Config) -> Result<Vec<String>, String> {
        let ring = ring_for(config, &Random::system()).map_err(|error| error.to_string())?;
        Ok(ring.keys().map(|key| key.id().to_owned()).collect())
    }

    #[test]
    fn the_ring_in_the_settings_is_used_on_both_engines_and_no_file_is_created() {
        let folder = TempDir::new().expect("a folder");
        let path = format!("sqlite:{}", folder.path().join("grantor.db").display());
        for url in [path.as_str(), "postgres://db/grantor"] {
            let settings = [
                ("database.url", url),
                ("secrets.key", KEY),
                ("http.public_url", "https://auth.example"),
            ];
            assert_eq!(ids(&config(&settings)), Ok(vec!["2026".to_owned()]), "{url}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }

    #[test]
    fn a_key_file_is_created_once_next_to_a_sqlite_file_for_its_owner_only() {
        let folder = TempDir::new().expect("a folder");
        let config = on_file(&folder);

        let first = ring_for(&config, &Random::system()).expect("a ring");
        let again = ring_for(&config, &Random::system()).expect("the same ring");

        let path = folder.path().join("grantor.key");
        let text = std::fs::read_to_string(&path).expect("a file");
        assert_eq!((first.keys().len(), &first), (1, &again));
        assert_eq!(text.lines().count(), 1);
        assert!(text.starts_with(&format!("{}:", first.newest().id())) && text.ends_with("=\n"));
        assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn servers_that_start_at_the_same_time_use_the_same_key_file() {
        let folder = TempDir::new().expect("a folder");
        let config = on_file(&folder);
        let start = || {
            std::thread::spawn({
                let config = config.clone();
                move || ids(&config)
            })
        };

        let rings: Vec<_> =
            [start(), start(), start(), start()].map(|thread| thread.join().expect("ends")).into();

        assert!(rings.iter().all(|ring| ring.is_ok() && *ring == rings[0]), "{rings:?}");
    }

    #[test]
    fn an_error_about_a_key_file_names_its_mistake_but_not_its_key() {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("grantor.key");
        let shown = path.display();
        let cases = [
            (
                "hunter2\n".to_owned(),
                format!(
                    "the key file {shown} cannot be used: key 1 is shorter than 32 characters and \
                     has no id in front of it"
                ),
            ),
            (
                format!("{KEY}\nb:hunter2\n"),
                format!("the key file {shown} cannot be used: key 2 is not base64"),
            ),
        ];
        for (text, message) in cases {
            std::fs::write(&path, text).expect("a file");
            assert_eq!(ids(&on_file(&folder)), Err(message));
        }
        std::fs::remove_file(&path).expect("is removed");
        std::fs::create_dir(&path).expect("a folder in its place");
        assert!(ids(&on_file(&folder)).is_err_and(|message| {
            message.starts_with(&format!("the key file {shown} cannot be read: "))
        }));
    }

    #[test]
    fn a_database_that_ends_in_key_is_not_its_own_key() {
        for (database, key) in
            [("a/grantor.db", "a/grantor.key"), ("grantor", "grantor.key"), ("a.key", "a.key.key")]
        {
            assert_eq!(beside(Path::new(database)), Path::new(key));
        }
    }

    #[test]
    fn on_postgres_a_ring_must_be_set_except_for_trials_without_https() {
        let postgres = ("database.url", "postgres://db/grantor");

        let refused = ids(&config(&[postgres, ("http.public_url", "https://auth.example")]))
            .expect_err("is refused");
        let trial = ids(&config(&[postgres]));

        assert!(
            refused.contains("GRANTOR_SECRETS__KEY to")
                && refused.contains("openssl rand -base64 32"),
            "{refused}"
        );
        assert_eq!(trial, Ok(vec![sealing::DEVELOPMENT.to_owned()]));
    }
}
