//! `grantor config`: checks, prints or explains the settings.

use clap::Subcommand;

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::Output;
use crate::config::Loaded;
use crate::{config, key_ring, telemetry};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the settings and report every problem at once.
    Check,
    /// Print every setting in effect and its source. Secrets are hidden.
    Print,
    /// Print every setting with its default and its meaning.
    Example,
}

pub fn run(
    command: Command,
    load: impl FnOnce() -> Result<Loaded, Failure>,
    output: Output,
) -> Result<(), Failure> {
    match command {
        Command::Check => {
            let loaded = load().map_err(as_problem)?;
            telemetry::check_level(&loaded.config.log.level)
                .map_err(|error| Failure::Problem(error.to_string()))?;
            key_ring::check(&loaded.config).map_err(|error| Failure::Problem(error.to_string()))?;
            output::item(output, &serde_json::json!({"ok": true}), || {
                "the settings are valid".to_owned()
            })
        }
        Command::Print => {
            let loaded = load()?;
            output::item(output, &loaded.effective.to_json(), || {
                let metadata = loaded.config.http.authorization_servers();
                format!(
                    "{}\n# For the RFC 9728 metadata of an MCP server:\n# {metadata}",
                    loaded.effective
                )
            })
        }
        Command::Example => output::line(&config::reference()),
    }
}

fn as_problem(failure: Failure) -> Failure {
    match failure {
        Failure::Failed(text) => Failure::Problem(text),
        other => other,
    }
}
