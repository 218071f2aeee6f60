//! The command line: `grantor user create` is in `user/create.rs`. Commands about the database as a
//! whole are in `database/`, and those about the server in `server/`. Scripts rely on the output of
//! `--output json` and the exit codes.

mod app;
pub mod arguments;
mod audit;
mod bootstrap;
mod client;
pub mod database;
pub mod failure;
mod grant;
mod invite;
mod key;
mod keys;
mod org;
pub mod output;
mod partner;
mod resource;
mod restriction;
mod review;
mod reviewer;
pub mod runtime;
pub mod server;
mod user;
mod webhook;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::cli::arguments::suggest;
use crate::cli::database::{backup, migrate, restore};
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::server::{config, healthcheck, openapi, serve};
use crate::config::{Config, Sources};
use crate::diagnose::{demo, doctor, selftest};

/// A self-hosted OAuth 2 authorization server for APIs and MCP servers.
///
/// Without a command, it runs the server. Settings come from the built-in defaults, a file,
/// GRANTOR_<SECTION>__<KEY> variables and flags; later ones override earlier ones. `grantor config
/// example` prints and explains every setting.
#[derive(Debug, Parser)]
#[command(
    name = "grantor",
    version,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 found a problem (config check, doctor, \
                  selftest, healthcheck, migrate status, webhook test)."
)]
struct Cli {
    /// Path of the settings file. GRANTOR_CONFIG sets it too.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Override one setting of the file and the environment. Can be repeated.
    #[arg(long = "set", global = true, value_name = "SECTION.KEY=VALUE")]
    settings: Vec<String>,

    /// Format of results.
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    output: Output,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server. This is the default.
    Serve,
    /// Update the database schema, or show its state.
    #[command(subcommand)]
    Migrate(migrate::Command),
    /// Create an organization with an administrator and a pair of keys.
    Bootstrap(bootstrap::Arguments),
    /// Organizations.
    #[command(subcommand)]
    Org(org::Command),
    /// Users and their memberships in organizations.
    #[command(subcommand)]
    User(user::Command),
    /// Invite a person to an organization, and print the link with which they join.
    Invite(invite::Arguments),
    /// API keys and application keys.
    #[command(subcommand)]
    Key(key::Command),
    /// Keys that sign tokens, and keys that encrypt stored secrets.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Apps (OAuth clients), as one organization sees them.
    #[command(subcommand)]
    Client(client::Command),
    /// Apps with a secret, which an organization creates for itself.
    #[command(subcommand)]
    App(app::Command),
    /// Partners: organizations whose apps may be published for all organizations.
    #[command(subcommand)]
    Partner(partner::Command),
    /// Versions of apps that partners submitted, and published apps.
    #[command(subcommand)]
    Review(review::Command),
    /// Users who approve partners and decide about versions.
    #[command(subcommand)]
    Reviewer(reviewer::Command),
    /// Limits on the scopes that an app can get in an organization.
    #[command(subcommand)]
    Restriction(restriction::Command),
    /// Access that users granted to apps.
    #[command(subcommand)]
    Grant(grant::Command),
    /// APIs and MCP servers that accept tokens.
    #[command(subcommand)]
    Resource(resource::Command),
    /// Webhooks of an organization and their deliveries.
    #[command(subcommand)]
    Webhook(webhook::Command),
    /// The audit trail: who changed what.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Back up an SQLite database while the server runs.
    Backup(backup::Arguments),
    /// Revoke everything that a restored backup made valid again. Run it before users sign in.
    Restore(restore::Arguments),
    /// Check, print or explain the settings.
    #[command(subcommand)]
    Config(config::Command),
    /// Print the OpenAPI document.
    Openapi,
    /// Check whether the running server is ready, for example in a container health check.
    Healthcheck,
    /// Run the steps of an MCP client against a running server.
    Selftest(selftest::Arguments),
    /// Start a temporary server with a user, an app and an API, and print commands to try.
    Demo,
    /// Diagnose problems with settings, database, keys, proxy, and an MCP server that uses this server.
    Doctor(doctor::Arguments),
}

pub fn run() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| suggest::with_suggestion(error).exit());
    let output = cli.output;
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::error(output, failure.message());
            failure.exit_code()
        }
    }
}

fn dispatch(cli: Cli) -> Result<(), Failure> {
    let sources = Sources::from_process(cli.config.as_deref(), &cli.settings);
    let load = || Config::load(&sources?).map_err(Failure::from);
    let output = cli.output;
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(load()?),
        Command::Migrate(command) => migrate::run(command, load()?, output),
        Command::Bootstrap(arguments) => bootstrap::run(arguments, load()?, output),
        Command::Org(command) => org::run(command, load()?, output),
        Command::User(command) => user::run(command, load()?, output),
        Command::Invite(arguments) => invite::run(arguments, load()?, output),
        Command::Key(command) => key::run(command, load()?, output),
        Command::Keys(command) => keys::run(command, load()?, output),
        Command::Client(command) => client::run(command, load()?, output),
        Command::App(command) => app::run(command, load()?, output),
        Command::Partner(command) => partner::run(command, load()?, output),
        Command::Review(command) => review::run(command, load()?, output),
        Command::Reviewer(command) => reviewer::run(command, load()?, output),
        Command::Restriction(command) => restriction::run(command, load()?, output),
        Command::Grant(command) => grant::run(command, load()?, output),
        Command::Resource(command) => resource::run(command, load()?, output),
        Command::Webhook(command) => webhook::run(command, load()?, output),
        Command::Audit(command) => audit::run(command, load()?, output),
        Command::Backup(arguments) => backup::run(arguments, load()?, output),
        Command::Restore(arguments) => restore::run(arguments, load()?, output),
        Command::Config(command) => config::run(command, load, output),
        Command::Openapi => openapi::run(load()?),
        Command::Healthcheck => healthcheck::run(load()?, output),
        Command::Demo => demo::run(output),
        Command::Doctor(arguments) => doctor::run(arguments, load, output),
        Command::Selftest(arguments) => selftest::run(arguments, load()?, output),
    }
}
