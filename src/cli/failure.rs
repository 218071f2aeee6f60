//! Failures of commands: a message for people and an exit code for scripts.

use std::fmt::Display;
use std::process::ExitCode;

use crate::config::ConfigErrors;

#[derive(Debug)]
pub enum Failure {
    /// The command failed.
    Failed(String),
    /// The command was used incorrectly.
    Usage(String),
    /// A check found a problem.
    Problem(String),
}

impl Failure {
    pub fn failed(cause: impl Display) -> Self {
        Self::Failed(cause.to_string())
    }

    pub fn usage(cause: impl Display) -> Self {
        Self::Usage(cause.to_string())
    }

    pub fn message(&self) -> &str {
        match self {
            Self::Failed(text) | Self::Usage(text) | Self::Problem(text) => text,
        }
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Problem(_) => 3,
        })
    }
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        Self::Failed(errors.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error)
    }
}

impl From<crate::db::engine::error::DbError> for Failure {
    fn from(error: crate::db::engine::error::DbError) -> Self {
        Self::failed(error)
    }
}
