//! The database, as a URL that contains everything needed to connect.
//!
//! A Postgres URL may contain a password, so `Display` and `Debug` hide what comes before the host.

use std::fmt;
use std::path::PathBuf;

use crate::rules::secret::Secret;

#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub enum DatabaseUrl {
    /// A file, created if it does not exist.
    Sqlite(PathBuf),
    /// The whole URL in the format of libpq, including the password.
    Postgres(Secret),
}

impl DatabaseUrl {
    pub fn parse(raw: &str) -> Result<Self, DatabaseUrlError> {
        let (scheme, rest) = raw.split_once(':').ok_or(DatabaseUrlError::Scheme)?;
        match scheme {
            "sqlite" => sqlite_path(rest).map(Self::Sqlite),
            "postgres" | "postgresql" => {
                check_server(rest)?;
                Ok(Self::Postgres(Secret::new(raw.to_owned())))
            }
            _ => Err(DatabaseUrlError::Scheme),
        }
    }
}

/// The password that docker-compose.yml sets for a trial. It is public.
const TRIAL_PASSWORD: &str = "grantor-trial-on-this-machine";

impl DatabaseUrl {
    pub fn has_trial_password(&self) -> bool {
        matches!(self, Self::Postgres(url) if url.expose().contains(&format!(":{TRIAL_PASSWORD}@")))
    }
}

fn sqlite_path(rest: &str) -> Result<PathBuf, DatabaseUrlError> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() {
        return Err(DatabaseUrlError::NoPath);
    }
    if path.starts_with(":memory:") {
        return Err(DatabaseUrlError::Memory);
    }
    if path.contains('?') {
        return Err(DatabaseUrlError::SqliteParameters);
    }
    Ok(PathBuf::from(path))
}

/// Requires a numeric port, because a misplaced password could otherwise be taken for a port and
/// printed.
fn check_server(rest: &str) -> Result<(), DatabaseUrlError> {
    let after_scheme = rest.strip_prefix("//").ok_or(DatabaseUrlError::NoServer)?;
    let without_credentials = without_credentials(after_scheme);
    let server = without_credentials.split(['/', '?']).next().unwrap_or_default();
    let parameters = without_credentials.split_once('?').map_or("", |(_, parameters)| parameters);
    check_hosts(server, parameters)?;
    let after_address = server.rsplit_once(']').map_or(server, |(_, port)| port);
    match after_address.split_once(':') {
        Some((_, port)) if port.parse::<u16>().is_err() => Err(DatabaseUrlError::Port),
        _ => Ok(()),
    }
}

/// Refuses several hosts: the driver connects to one host and would take a list for its name.
fn check_hosts(server: &str, parameters: &str) -> Result<(), DatabaseUrlError> {
    if server.contains(',') || server.to_ascii_lowercase().contains("%2c") {
        return Err(DatabaseUrlError::SeveralHosts);
    }
    for (name, value) in form_urlencoded::parse(parameters.as_bytes()) {
        match &*name {
            "host" | "hostaddr" | "port" if value.contains(',') => {
                return Err(DatabaseUrlError::SeveralHosts);
            }
            "target_session_attrs" if value != "any" => {
                return Err(DatabaseUrlError::SessionAttributes);
            }
            "load_balance_hosts" if value != "disable" => {
                return Err(DatabaseUrlError::SeveralHosts);
            }
            _ => {}
        }
    }
    Ok(())
}

/// The part after the last `@`, because a password that is not percent-encoded may contain one too.
fn without_credentials(after_scheme: &str) -> &str {
    after_scheme.rsplit_once('@').map_or(after_scheme, |(_, server)| server)
}

impl TryFrom<String> for DatabaseUrl {
    type Error = DatabaseUrlError;

    fn try_from(raw: String) -> Result<Self, DatabaseUrlError> {
        Self::parse(&raw)
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(formatter, "sqlite:{}", path.display()),
            Self::Postgres(url) => {
                let after_scheme = url.expose().split_once("://").map_or("", |(_, rest)| rest);
                let server = without_credentials(after_scheme);
                let hidden = if server.len() < after_scheme.len() { "***@" } else { "" };
                // Parameters may contain a password too.
                let (server, dots) =
                    server.split_once('?').map_or((server, ""), |(server, _)| (server, "?…"));
                write!(formatter, "postgres://{hidden}{server}{dots}")
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DatabaseUrl({self})")
    }
}

/// The error texts never quote the URL, because it may contain a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseUrlError {
    #[error("must start with sqlite: or postgres://")]
    Scheme,
    #[error("does not name a file")]
    NoPath,
    #[error(
        "SQLite in memory is not supported, because every connection would have its own database; name a file"
    )]
    Memory,
    #[error(
        "parameters are not supported for SQLite; remove the question mark and everything after it"
    )]
    SqliteParameters,
    #[error("does not name a server; a Postgres URL starts with postgres://")]
    NoServer,
    #[error(
        "names several hosts, but Grantor connects to one: use an address that always leads to the \
         primary, such as that of HAProxy (docs/operate/postgres.md)"
    )]
    SeveralHosts,
    #[error(
        "target_session_attrs is not supported: remove it and use an address that always leads to \
         the primary, such as that of HAProxy (docs/operate/postgres.md)"
    )]
    SessionAttributes,
    #[error(
        "the port must be a number from 0 to 65535; a password needs a user before it and @ after it"
    )]
    Port,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_the_compose_file_is_the_trial_password() {
        let compose = std::fs::read_to_string("docker-compose.yml").expect("is readable");
        assert_eq!(
            compose.matches(&format!("${{POSTGRES_PASSWORD:-{TRIAL_PASSWORD}}}")).count(),
            2
        );
        let is_trial = |url: &str| DatabaseUrl::parse(url).expect("a URL").has_trial_password();

        assert!(is_trial(&format!("postgres://grantor:{TRIAL_PASSWORD}@postgres:5432/grantor")));
        assert!(!is_trial("postgres://grantor:hunter2@postgres:5432/grantor"));
        assert!(!is_trial("sqlite:data/grantor.db"));
    }

    #[test]
    fn a_sqlite_url_names_a_file() {
        let cases = [
            ("sqlite:data/grantor.db", "data/grantor.db"),
            ("sqlite:/var/lib/grantor.db", "/var/lib/grantor.db"),
            ("sqlite:///var/lib/grantor.db", "/var/lib/grantor.db"),
            ("sqlite://grantor.db", "grantor.db"),
        ];
        for (raw, path) in cases {
            assert_eq!(
                DatabaseUrl::parse(raw),
                Ok(DatabaseUrl::Sqlite(PathBuf::from(path))),
                "{raw}"
            );
        }
    }

    #[test]
    fn a_postgres_url_is_kept_verbatim_and_displayed_without_secrets() {
        let cases = [
            ("postgres://db/grantor", "postgres://db/grantor"),
            ("postgresql://db.example:5432/grantor", "postgres://db.example:5432/grantor"),
            ("postgres://grantor:hunter2@db:5432/grantor", "postgres://***@db:5432/grantor"),
            ("postgres://grantor:hunt@er/2@db/grantor", "postgres://***@db/grantor"),
            ("postgres://grantor:hunter2@[::1]:5432/grantor", "postgres://***@[::1]:5432/grantor"),
            ("postgres://[::1]/grantor", "postgres://[::1]/grantor"),
            ("postgres://db/grantor?user=g&password=hunter2", "postgres://db/grantor?…"),
            ("postgres:///grantor?host=/run/postgresql", "postgres:///grantor?…"),
            ("postgres://db/grantor?target_session_attrs=any", "postgres://db/grantor?…"),
            ("postgres://grantor:a,b@db/grantor", "postgres://***@db/grantor"),
        ];
        for (raw, shown) in cases {
            let url = DatabaseUrl::parse(raw).expect(raw);

            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("DatabaseUrl({shown})"));
            assert_eq!(url, DatabaseUrl::Postgres(Secret::new(raw.to_owned())));
        }
    }

    #[test]
    fn an_invalid_database_url_is_refused_with_a_reason() {
        let cases = [
            ("", DatabaseUrlError::Scheme),
            ("grantor.db", DatabaseUrlError::Scheme),
            ("mysql://db/grantor", DatabaseUrlError::Scheme),
            ("SQLITE:grantor.db", DatabaseUrlError::Scheme),
            ("sqlite:", DatabaseUrlError::NoPath),
            ("sqlite://", DatabaseUrlError::NoPath),
            ("sqlite::memory:", DatabaseUrlError::Memory),
            ("sqlite://:memory:", DatabaseUrlError::Memory),
            ("sqlite:grantor.db?mode=ro", DatabaseUrlError::SqliteParameters),
            ("postgres:db/grantor", DatabaseUrlError::NoServer),
            ("postgres://grantor:hunter2/grantor", DatabaseUrlError::Port),
            (
                "postgres://a,b/grantor?target_session_attrs=read-write",
                DatabaseUrlError::SeveralHosts,
            ),
            ("postgres://user:pass@a:5432,b:5432/grantor", DatabaseUrlError::SeveralHosts),
            ("postgres://a%2Cb/grantor", DatabaseUrlError::SeveralHosts),
            ("postgres:///grantor?host=a,b", DatabaseUrlError::SeveralHosts),
            ("postgres:///grantor?host=a%2cb&port=5432", DatabaseUrlError::SeveralHosts),
            ("postgres://a/grantor?load_balance_hosts=random", DatabaseUrlError::SeveralHosts),
            (
                "postgres://a/grantor?target_session_attrs=read-write",
                DatabaseUrlError::SessionAttributes,
            ),
            (
                "postgres://a/grantor?sslmode=require&target_session_attrs=primary",
                DatabaseUrlError::SessionAttributes,
            ),
        ];
        for (raw, expected) in cases {
            assert_eq!(DatabaseUrl::parse(raw), Err(expected), "{raw}");
        }
    }
}
