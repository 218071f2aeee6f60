//! A connection of a test's own to its database, for what the program itself never does.

use std::path::Path;

use grantor::secret::Secret;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, PgConnection, SqliteConnection};

pub use grantor::db::engine::connect::Location;

/// The same on both engines: `on_connection!(location, |connection| query.execute(connection).await)`.
macro_rules! on_connection {
    ($location:expr, |$connection:ident| $what:expr) => {
        match $location {
            $crate::support::connection::Location::Sqlite { path } => {
                let $connection = &mut $crate::support::connection::open_sqlite(path).await;
                $what
            }
            $crate::support::connection::Location::Postgres { url, schema } => {
                let $connection = &mut $crate::support::connection::open_postgres(url, schema.as_deref()).await;
                $what
            }
        }
    };
}

pub async fn open_sqlite(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.expect("the file opens")
}

pub async fn open_postgres(url: &Secret, schema: Option<&str>) -> PgConnection {
    let options: sqlx::postgres::PgConnectOptions = url.expose().parse().expect("a URL");
    let options = match schema {
        Some(schema) => options.options([("search_path", schema)]),
        None => options,
    };
    options.connect().await.expect("it answers")
}

/// SQL by hand, for states that the program itself never makes.
pub async fn execute(location: &Location, sql: &'static str) {
    on_connection!(location, |connection| sqlx::raw_sql(sql).execute(connection).await.map(drop))
        .expect("the SQL runs");
}
