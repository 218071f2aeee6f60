//! Which database the server keeps its data in, in the one spelling that holds everything: a URL.
//!
//! A Postgres URL may hold a password, so neither form of printing shows what stands before the host.

use std::fmt;
use std::path::PathBuf;

use crate::secret::Secret;

#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub enum DatabaseUrl {
    /// A file, made when it is not there.
    Sqlite(PathBuf),
    /// The whole URL, as libpq documents it, with its password.
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

/// What docker-compose.yml gives to Postgres for a trial. Everybody knows it.
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

/// The port has to be a number, or else what was meant as a password would be taken for one and be printed.
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

/// The driver connects to one host. It would take a list for the name of a host, and ignore which of them was meant.
fn check_hosts(server: &str, parameters: &str) -> Result<(), DatabaseUrlError> {
    if server.contains(',') || server.to_ascii_lowercase().contains("%2c") {
        return Err(DatabaseUrlError::SeveralHosts);
    }
    for (name, value) in form_urlencoded::parse(parameters.as_bytes()) {
        match &*name {
            "host" | "hostaddr" | "port" if value.contains(',') => return Err(DatabaseUrlError::SeveralHosts),
            "target_session_attrs" if value != "any" => return Err(DatabaseUrlError::SessionAttributes),
            "load_balance_hosts" if value != "disable" => return Err(DatabaseUrlError::SeveralHosts),
            _ => {}
        }
    }
    Ok(())
}

/// What follows the last `@`: a password that was not percent-encoded may hold one too.
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
                // Parameters may hold a password too, and nobody needs them to tell databases apart.
                let (server, dots) = server.split_once('?').map_or((server, ""), |(server, _)| (server, "?…"));
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

/// Never quotes the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseUrlError {
    #[error("starts with neither sqlite: nor postgres://")]
    Scheme,
    #[error("names no file")]
    NoPath,
    #[error("SQLite in memory would give every connection a database of its own; name a file")]
    Memory,
    #[error("a SQLite file is opened without parameters; leave out what follows the question mark")]
    SqliteParameters,
    #[error("names no server; it starts with postgres://")]
    NoServer,
    #[error(
        "names several hosts, but Grantor connects to one: name an address that always leads to the primary, such as that of \
         HAProxy (docs/operate/postgres.md)"
    )]
    SeveralHosts,
    #[error(
        "target_session_attrs is not supported: leave it out and name an address that always leads to the primary, such as \
         that of HAProxy (docs/operate/postgres.md)"
    )]
    SessionAttributes,
    #[error("the port is not a number from 0 to 65535; a password needs a user before it and @ after it")]
    Port,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_the_compose_file_is_known_as_that_of_a_trial() {
        let compose = std::fs::read_to_string("docker-compose.yml").expect("is readable");
        assert_eq!(compose.matches(&format!("${{POSTGRES_PASSWORD:-{TRIAL_PASSWORD}}}")).count(), 2);
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
            assert_eq!(DatabaseUrl::parse(raw), Ok(DatabaseUrl::Sqlite(PathBuf::from(path))), "{raw}");
        }
    }

    #[test]
    fn a_postgres_url_is_kept_as_it_is_and_printed_without_what_is_secret() {
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
    fn what_names_no_database_is_refused_with_its_reason() {
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
            ("postgres://a,b/grantor?target_session_attrs=read-write", DatabaseUrlError::SeveralHosts),
            ("postgres://user:pass@a:5432,b:5432/grantor", DatabaseUrlError::SeveralHosts),
            ("postgres://a%2Cb/grantor", DatabaseUrlError::SeveralHosts),
            ("postgres:///grantor?host=a,b", DatabaseUrlError::SeveralHosts),
            ("postgres:///grantor?host=a%2cb&port=5432", DatabaseUrlError::SeveralHosts),
            ("postgres://a/grantor?load_balance_hosts=random", DatabaseUrlError::SeveralHosts),
            ("postgres://a/grantor?target_session_attrs=read-write", DatabaseUrlError::SessionAttributes),
            ("postgres://a/grantor?sslmode=require&target_session_attrs=primary", DatabaseUrlError::SessionAttributes),
        ];
        for (raw, expected) in cases {
            assert_eq!(DatabaseUrl::parse(raw), Err(expected), "{raw}");
        }
    }
}
