//! The reason why a benchmark could not run. Errors of a contender while it runs are counted
//! instead.

use std::io;

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(
        "Postgres is missing: no folder holds initdb, postgres, psql and pgbench; scripts/install-postgres installs it"
    )]
    NoPostgres,
    #[error(
        "Postgres refuses to run as root, and there is no user `postgres`; scripts/install-postgres makes one"
    )]
    NoPostgresUser,
    #[error("{program} cannot be started: {cause}")]
    NotStarted { program: &'static str, cause: io::Error },
    #[error("{program} failed: {said}")]
    Failed { program: &'static str, said: String },
    #[error("{program} gave no answer within {seconds} s")]
    Silent { program: &'static str, seconds: u64 },
    #[error("{request} was answered with {status}: {body}")]
    Refused { request: String, status: u16, body: String },
    #[error("{what} was expected, but this came: {came}")]
    Unexpected { what: &'static str, came: String },
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("this server's own database: {0}")]
    Own(#[from] grantor::db::engine::error::DbError),
}
