//! Why Postgres cannot be reached, for people: the pool only knows that it waited too long.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::timeout;

use crate::db::engine::{Db, Engine};

const WITHIN: Duration = Duration::from_secs(3);

impl Db {
    /// Tries one connection of its own. The text names host, port and cause. `None`: it can be reached, or is a file.
    pub async fn why_unreachable(&self) -> Option<String> {
        let Engine::Postgres(pool) = &self.engine else { return None };
        let options = pool.connect_options();
        let place = place(&options);
        match timeout(WITHIN, options.connect()).await {
            Ok(Ok(connection)) => {
                // It was only a question.
                let _ = connection.close().await;
                None
            }
            Ok(Err(sqlx::Error::Io(cause))) => Some(format!("Postgres at {place} cannot be reached: {cause}")),
            Ok(Err(cause)) => Some(format!("Postgres at {place} refuses the connection: {cause}")),
            Err(_) => Some(format!("Postgres at {place} did not answer within {} seconds", WITHIN.as_secs())),
        }
    }
}

fn place(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}
