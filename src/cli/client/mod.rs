//! `grantor client`: registered clients, as one organization sees them.

mod disable;
mod list;
mod show;

use clap::Subcommand;

use crate::cli::arguments::app::AppTarget;
use crate::cli::database;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::runtime::block_on;
use crate::config::Loaded;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the apps that an organization uses, most recently used first.
    ///
    /// An organization uses an app if a user has authorized it, or if it is restricted or disabled there.
    List(list::Arguments),
    /// Show one app: its registration, its restriction, and the scopes that it can get.
    Show(AppTarget),
    /// Block an app in the organization and end all of its access there.
    ///
    /// Every grant and its refresh tokens are revoked at once. Users cannot authorize the app again until it is enabled.
    Disable(disable::Arguments),
    /// Let users authorize a disabled app again. Revoked grants stay revoked.
    Enable(AppTarget),
}

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    block_on(async {
        let context = database::open(&loaded.config).await?;
        match command {
            Command::List(arguments) => list::list(&context, &loaded, &arguments, output).await,
            Command::Show(target) => {
                let (org, app) = target.find(&context).await?;
                show::show(&context, &loaded, &org, &app, output).await
            }
            Command::Disable(arguments) => disable::disable(&context, &arguments, output).await,
            Command::Enable(target) => disable::enable(&context, &target, output).await,
        }
    })
}
