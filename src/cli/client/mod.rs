//! `grantor client`: registered clients, as one organization sees them.

mod disable;
mod list;
mod show;

use clap::{Args, Subcommand};

use crate::actions::context::Context;
use crate::cli::arguments::app::AppArgument;
use crate::cli::arguments::org::OrgFlag;
use crate::cli::output::Output;
use crate::cli::{Failure, block_on, database};
use crate::config::Loaded;
use crate::db::clients::apps::App;
use crate::db::orgs::Org;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the apps that an organization uses, most recently used first.
    ///
    /// An organization uses an app if a user has authorized it, or if it is restricted or disabled there.
    List(list::Arguments),
    /// Show one app: its registration, its restriction, and the scopes that it can get.
    Show(Target),
    /// Block an app in the organization and end all of its access there.
    ///
    /// Every grant and its refresh tokens are revoked at once. Users cannot authorize the app again until it is enabled.
    Disable(Target),
    /// Let users authorize a disabled app again. Revoked grants stay revoked.
    Enable(Target),
}

#[derive(Debug, Args)]
pub struct Target {
    #[command(flatten)]
    org: OrgFlag,
    #[command(flatten)]
    app: AppArgument,
}

impl Target {
    async fn find(&self, context: &Context) -> Result<(Org, App), Failure> {
        let org = self.org.find(context).await?;
        let app = self.app.find(context, &org).await?;
        Ok((org, app))
    }
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
            Command::Disable(target) => disable::disable(&context, &target, output).await,
            Command::Enable(target) => disable::enable(&context, &target, output).await,
        }
    })
}
