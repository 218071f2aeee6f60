//! Direct connections to the database, for what the program itself never does.

use std::path::Path;

use grantor::rules::secret::Secret;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, PgConnection, SqliteConnection};

pub use grantor::db::engine::connect::Location;

/// Runs a query on either engine: `on_connection!(location, |connection|
/// query.execute(connection).await)`.
macro_rules! on_connection {
    ($location:expr, |$connection:ident| $what:expr) => {
        match $location {
            $crate::support::connection::Location::Sqlite { path } => {
                let $connection = &mut $crate::support::connection::open_sqlite(path).await;
                $what
            }
            $crate::support::connection::Location::Postgres { url, schema } => {
                let $connection =
                    &mut $crate::support::connection::open_postgres(url, schema.as_deref()).await;
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

/// Runs SQL, for states that the program itself never creates.
pub async fn execute(location: &Location, sql: &'static str) {
    on_connection!(location, |connection| sqlx::raw_sql(sql).execute(connection).await.map(drop))
        .expect("the SQL runs");
}
