//! `grantor user`: the people of an organisation.

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use super::output::{self, Output};
use super::{Failure, block_on, database, password};
use crate::actions::{self, By};
use crate::clock::Clock;
use crate::config::Loaded;
use crate::db::OperatorCache;
use crate::db::memberships::{self, Membership};
use crate::oauth::UserId;
use crate::oauth::permission::Role;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Let a person into an organisation.
    Create {
        /// The name of the organisation.
        #[arg(long, value_name = "NAME")]
        org: String,
        /// The e-mail address of the person.
        #[arg(long, value_name = "EMAIL")]
        email: String,
        /// How the person is called; who is known to this server already keeps their name.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// admin, standard or read_only.
        #[arg(long, value_parser = Role::parse)]
        role: Role,
        /// Read the password from standard input instead of making one.
        #[arg(long)]
        password_stdin: bool,
    },
    /// List people, of one organisation or of all.
    List {
        /// The name of one; leaving it out lists all.
        #[arg(long, value_name = "NAME")]
        org: Option<String>,
    },
    /// Give a person another password, and sign them out of every browser.
    SetPassword {
        /// The e-mail address of the person.
        #[arg(long, value_name = "EMAIL")]
        email: String,
        /// Read the password from standard input instead of making one.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Take every access from a person, in all organisations: keys, sessions, and what they granted to clients.
    Disable {
        /// The e-mail address of the person.
        #[arg(long, value_name = "EMAIL")]
        email: String,
    },
    /// Let a disabled person in again, with their password and keys. What they had granted stays ended.
    Enable {
        /// The e-mail address of the person.
        #[arg(long, value_name = "EMAIL")]
        email: String,
    },
}

#[derive(Serialize)]
struct Shown {
    id: UserId,
    email: String,
    org: String,
    role: &'static str,
    disabled_at: Option<String>,
}

impl From<Membership> for Shown {
    fn from(member: Membership) -> Self {
        Self {
            id: member.user_id,
            email: member.email,
            org: member.org_name,
            role: member.role.as_str(),
            disabled_at: member.disabled_at.map(|at| at.to_rfc3339()),
        }
    }
}

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    block_on(async {
        let context = database::open(&loaded.config).await?;
        match command {
            Command::Create { org, email, name, role, password_stdin } => {
                let password = password::from_stdin(password_stdin)?;
                let org = database::org(&context, &org).await?;
                let user =
                    actions::create_user(&context, org.id, &email, name.as_deref(), role, password, &By::COMMAND_LINE)
                        .await
                        .map_err(Failure::failed)?;
                let password = user.password.as_ref().map(|password| password.expose());
                let shown = json!({"id": user.id, "email": user.email, "password": password});
                output::one(output, &shown, || match password {
                    Some(password) => format!("created {}; password, shown this once: {password}", user.email),
                    None => format!("created {}", user.email),
                })
            }
            Command::List { org } => {
                let org_id = match org {
                    Some(name) => Some(database::org(&context, &name).await?.id),
                    None => None,
                };
                let members = memberships::list(&context.db, org_id).await?;
                let shown: Vec<Shown> = members.into_iter().map(Shown::from).collect();
                output::list(output, &shown, &["id", "email", "org", "role", "disabled_at"])
            }
            Command::SetPassword { email, password_stdin } => {
                let password = password::from_stdin(password_stdin)?;
                let made = actions::set_password(&context, &email, password, None, &By::COMMAND_LINE)
                    .await
                    .map_err(Failure::failed)?;
                let made = made.as_ref().map(|password| password.expose());
                output::one(output, &json!({"email": email, "password": made}), || match made {
                    Some(password) => format!("{email} has a new password, shown this once: {password}"),
                    None => format!("{email} has a new password"),
                })
            }
            Command::Disable { email } => {
                actions::disable_user(&context, &nobody_served(), &email, &By::COMMAND_LINE)
                    .await
                    .map_err(Failure::failed)?;
                output::one(output, &json!({"email": email, "disabled": true}), || format!("disabled {email}"))
            }
            Command::Enable { email } => {
                actions::enable_user(&context, &nobody_served(), &email, &By::COMMAND_LINE)
                    .await
                    .map_err(Failure::failed)?;
                output::one(output, &json!({"email": email, "disabled": false}), || format!("enabled {email}"))
            }
        }
    })
}

/// This process serves nobody, so it has nobody to forget: servers notice within five seconds.
fn nobody_served() -> OperatorCache {
    OperatorCache::new(Clock::system())
}
