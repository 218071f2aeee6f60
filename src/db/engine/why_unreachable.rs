//! Explains why Postgres cannot be reached. The pool only reports that it waited too long.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::timeout;

use crate::db::engine::{Db, Engine};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

impl Db {
    /// Tries to connect, and returns a text with the host, the port and the cause. Returns `None`
    /// if the database can be reached or is a file.
    pub async fn why_unreachable(&self) -> Option<String> {
        let Engine::Postgres(pool) = &self.engine else { return None };
        let options = pool.connect_options();
        let address = address(&options);
        match timeout(CONNECT_TIMEOUT, options.connect()).await {
            Ok(Ok(connection)) => {
                let _ = connection.close().await;
                None
            }
            Ok(Err(sqlx::Error::Io(cause))) => {
                Some(format!("Postgres at {address} cannot be reached: {cause}"))
            }
            Ok(Err(cause)) => {
                Some(format!("Postgres at {address} refused the connection: {cause}"))
            }
            Err(_) => {
                let seconds = CONNECT_TIMEOUT.as_secs();
                Some(format!("Postgres at {address} did not respond within {seconds} seconds"))
            }
        }
    }
}

fn address(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}
