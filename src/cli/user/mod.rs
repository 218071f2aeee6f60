//! `grantor user`: users and their memberships.

mod create;
mod disable;
mod list;
mod remove;
mod set_password;
mod set_role;

use clap::Subcommand;

use crate::cli::arguments::org::{OrgFilter, OrgFlag};
use crate::cli::database;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::runtime::block_on;
use crate::clock::Clock;
use crate::config::Loaded;
use crate::db::keys::callers::CallerCache;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add a user to an organization. Creates the user if the address is new.
    Create(create::Arguments),
    /// List the members of one organization or of all.
    List {
        #[command(flatten)]
        org: OrgFilter,
        /// Include former members.
        #[arg(long)]
        all: bool,
    },
    /// Change the role of a member. Running servers apply it within five seconds.
    SetRole(set_role::Arguments),
    /// Remove a member from an organization, with the member's application keys and grants there.
    ///
    /// The account and other memberships are not affected. `user create` adds the user again.
    Remove {
        #[command(flatten)]
        org: OrgFlag,
        /// Email address of the member.
        #[arg(long, value_name = "EMAIL")]
        email: String,
    },
    /// Set a new password for a user and end all of their sessions. A generated password must be
    /// changed at the next sign-in.
    SetPassword(set_password::Arguments),
    /// Block a user in all organizations: disable their keys, and end their sessions and the access of their apps.
    Disable {
        /// Email address of the user.
        #[arg(long, value_name = "EMAIL")]
        email: String,
    },
    /// Enable a disabled user with their password and keys. Revoked grants stay revoked.
    Enable {
        /// Email address of the user.
        #[arg(long, value_name = "EMAIL")]
        email: String,
    },
}

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    block_on(async {
        let context = database::open(&loaded.config).await?;
        match command {
            Command::Create(arguments) => create::create(&context, arguments, output).await,
            Command::List { org, all } => list::list(&context, &org, all, output).await,
            Command::SetRole(arguments) => set_role::set_role(&context, &arguments, output).await,
            Command::Remove { org, email } => remove::remove(&context, &org, &email, output).await,
            Command::SetPassword(arguments) => {
                set_password::set_password(&context, &arguments, output).await
            }
            Command::Disable { email } => disable::disable(&context, &email, output).await,
            Command::Enable { email } => disable::enable(&context, &email, output).await,
        }
    })
}

/// An empty cache, because this process serves no requests. Running servers notice within five
/// seconds.
fn empty_cache() -> CallerCache {
    CallerCache::new(Clock::system())
}
