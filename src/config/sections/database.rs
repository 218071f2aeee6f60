//! Where everything is kept.

use std::path::Path;
use std::time::Duration;

use crate::config::database_url::DatabaseUrl;
use crate::config::setting::Setting;
use crate::config::values;
use crate::config::values::{COUNT, MILLISECONDS};

section! {
    "database",
    "Where everything is kept. SQLite needs nothing installed and serves one server; Postgres may be shared by any \
     number of servers.";

    pub struct Database {
        pub url: DatabaseUrl = Setting::secret(
            "database.url",
            r#""sqlite:data/grantor.db""#,
            "sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/NAME",
            "The database. DATABASE_URL in the environment means the same, and GRANTOR_DATABASE__URL goes before it. A \
             Postgres URL with a password is better kept in a file: url_file.",
        ),
        #[serde(deserialize_with = "values::at_least_one")]
        pub max_connections: u32 = Setting::new(
            "database.max_connections",
            "16",
            COUNT,
            "How many connections this server opens at most. All servers together must stay below what Postgres \
             allows; SQLite uses only a few.",
        ),
        #[serde(rename = "acquire_timeout_ms", deserialize_with = "values::milliseconds")]
        pub acquire_timeout: Duration = Setting::new(
            "database.acquire_timeout_ms",
            "1500",
            MILLISECONDS,
            "How long a request waits for a free connection before it is answered with 503.",
        ),
        #[serde(rename = "query_timeout_ms", deserialize_with = "values::milliseconds")]
        pub query_timeout: Duration = Setting::new(
            "database.query_timeout_ms",
            "5000",
            MILLISECONDS,
            "How long one statement may take. Raise it only for a database that is known to be slow.",
        ),
    }
}

impl Database {
    const DEFAULT_FILE: &str = "data/grantor.db";

    /// Whether this is the file that a first start without any setting makes. Only there may the server set itself up
    /// without being asked: any other database was chosen by somebody, and may belong to others too.
    pub fn is_default_file(&self) -> bool {
        matches!(&self.url, DatabaseUrl::Sqlite(path) if path == Path::new(Self::DEFAULT_FILE))
    }
}
