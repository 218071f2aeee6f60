//! `[database]`: where data is stored.

use std::path::Path;
use std::time::Duration;

use crate::config::database_url::DatabaseUrl;
use crate::config::setting::Setting;
use crate::config::values;
use crate::config::values::{COUNT, MILLISECONDS};

section! {
    "database",
    "Where data is stored. SQLite needs no installation and serves one server. Postgres can be \
     shared by any number of servers.";

    pub struct Database {
        pub url: DatabaseUrl = Setting::secret(
            "database.url",
            r#""sqlite:data/grantor.db""#,
            "sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/NAME",
            "URL of the database. The environment variable DATABASE_URL sets it too; \
             GRANTOR_DATABASE__URL takes precedence. Keep a Postgres URL with a password in a file \
             and set url_file instead.",
        ),
        #[serde(deserialize_with = "values::at_least_one")]
        pub max_connections: u32 = Setting::new(
            "database.max_connections",
            "16",
            COUNT,
            "Maximum number of connections that this server opens. The sum over all servers must \
             stay below the limit of Postgres. SQLite uses only a few.",
        ),
        #[serde(rename = "acquire_timeout_ms", deserialize_with = "values::milliseconds")]
        pub acquire_timeout: Duration = Setting::new(
            "database.acquire_timeout_ms",
            "1500",
            MILLISECONDS,
            "How long a request waits for a free connection before it gets a 503 response. Raise \
             it if short load peaks cause such responses.",
        ),
        #[serde(rename = "query_timeout_ms", deserialize_with = "values::milliseconds")]
        pub query_timeout: Duration = Setting::new(
            "database.query_timeout_ms",
            "5000",
            MILLISECONDS,
            "How long one statement may take. Raise it only if the database is known to be slow.",
        ),
    }
}

impl Database {
    const DEFAULT_FILE: &str = "data/grantor.db";

    /// Whether this is the file that a first start without settings creates. Only then may the
    /// server create an organization on its own: an operator chose any other database, and it may
    /// be shared.
    pub fn is_default_file(&self) -> bool {
        matches!(&self.url, DatabaseUrl::Sqlite(path) if path == Path::new(Self::DEFAULT_FILE))
    }
}
