//! `grantor user`: users and their memberships.

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::grants::end::RevokedAccess;
use crate::actions::sign_in::set_password;
use crate::actions::sign_in::set_password::NewPassword;
use crate::actions::users::change_membership;
use crate::actions::users::create_user;
use crate::actions::users::disable_user;
use crate::cli::chosen::{OrgFilter, OrgFlag};
use crate::cli::effect::last_token;
use crate::cli::output::{Output, counted};
use crate::cli::{Failure, block_on, database, output, password};
use crate::clock::Clock;
use crate::config::Loaded;
use crate::db::keys::operators::OperatorCache;
use crate::db::orgs::memberships;
use crate::db::orgs::memberships::Membership;
use crate::rules::id::UserId;
use crate::rules::identity::permission::Role;
use crate::rules::timestamp::Timestamp;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add a user to an organization. Creates the user if the address is new.
    Create {
        #[command(flatten)]
        org: OrgFlag,
        /// Email address of the user.
        #[arg(long, value_name = "EMAIL")]
        email: String,
        /// Display name. Ignored if the user already exists.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Role in the organization: admin, standard or read_only.
        #[arg(long, value_parser = Role::parse)]
        role: Role,
        /// Read the password from standard input instead of generating one.
        #[arg(long)]
        password_stdin: bool,
    },
    /// List the members of one organization or of all.
    List {
        #[command(flatten)]
        org: OrgFilter,
        /// Include former members.
        #[arg(long)]
        all: bool,
    },
    /// Change the role of a member. Running servers apply it within five seconds.
    SetRole {
        #[command(flatten)]
        org: OrgFlag,
        /// Email address of the member.
        #[arg(long, value_name = "EMAIL")]
        email: String,
        /// New role: admin, standard or read_only.
        #[arg(long, value_parser = Role::parse)]
        role: Role,
    },
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
    SetPassword {
        /// Email address of the user.
        #[arg(long, value_name = "EMAIL")]
        email: String,
        /// Read the password from standard input instead of generating one.
        #[arg(long)]
        password_stdin: bool,
        /// Also revoke all grants of the user, in all organizations.
        #[arg(long)]
        end_grants: bool,
    },
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

#[derive(Serialize)]
struct MemberRow {
    id: UserId,
    email: String,
    org: String,
    role: &'static str,
    disabled_at: Option<String>,
    left_at: Option<String>,
}

impl From<Membership> for MemberRow {
    fn from(member: Membership) -> Self {
        Self {
            id: member.user_id,
            email: member.email,
            org: member.org_name,
            role: member.role.as_str(),
            disabled_at: member.disabled_at.map(|at| at.to_rfc3339()),
            left_at: member.left_at.map(|at| at.to_rfc3339()),
        }
    }
}

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    block_on(async {
        let context = database::open(&loaded.config).await?;
        match command {
            Command::Create { org, email, name, role, password_stdin } => {
                let password = password::from_stdin(password_stdin)?;
                let org = org.find(&context).await?;
                let user = create_user::create_user(
                    &context,
                    org.id,
                    &email,
                    name.as_deref(),
                    role,
                    password,
                    &AuditActor::COMMAND_LINE,
                )
                .await
                .map_err(Failure::failed)?;
                let password = user.password.as_ref().map(|password| password.expose());
                let shown = json!({"id": user.id, "email": user.email, "password": password});
                output::item(output, &shown, || match password {
                    Some(password) => format!(
                        "created {}; password, shown only once: {password}\nIt must be changed at the first sign-in.",
                        user.email
                    ),
                    None => format!("created {}", user.email),
                })
            }
            Command::List { org, all } => {
                let org_id = org.find(&context).await?;
                let members = memberships::list(&context.db, org_id).await?;
                let members = members.into_iter().filter(|member| all || member.left_at.is_none());
                let shown: Vec<MemberRow> = members.map(MemberRow::from).collect();
                let columns = ["id", "email", "org", "role", "disabled_at", "left_at"];
                output::list(output, &shown, &columns[..columns.len() - usize::from(!all)])
            }
            Command::SetRole { org, email, role } => {
                let org = org.find(&context).await?;
                let set = change_membership::set_role(
                    &context,
                    &empty_cache(),
                    org.id,
                    &email,
                    role,
                    &AuditActor::COMMAND_LINE,
                )
                .await
                .map_err(Failure::failed)?;
                let shown = json!({"id": set.user_id, "email": email, "org": org.name, "role": role});
                output::item(output, &shown, || match set.before == role {
                    true => format!("{email} already has the role {role} in {:?}", org.name),
                    false => {
                        format!("changed the role of {email} in {:?} from {} to {role}", org.name, set.before)
                    }
                })
            }
            Command::Remove { org, email } => remove(&context, &org, &email, output).await,
            Command::SetPassword { email, password_stdin, end_grants } => {
                let new = NewPassword { password: password::from_stdin(password_stdin)?, keep: None, end_grants };
                let made = set_password::set_password(&context, &email, new, &AuditActor::COMMAND_LINE)
                    .await
                    .map_err(Failure::failed)?;
                let made = made.as_ref().map(|password| password.expose());
                output::item(output, &json!({"email": email, "password": made}), || match made {
                    Some(password) => format!(
                        "{email} has a new password, shown only once: {password}\nIt must be changed at the next sign-in."
                    ),
                    None => format!("{email} has a new password"),
                })
            }
            Command::Disable { email } => {
                let ended = disable_user::disable_user(&context, &empty_cache(), &email, &AuditActor::COMMAND_LINE)
                    .await
                    .map_err(Failure::failed)?;
                let RevokedAccess { grants, last_token_ends_at } = ended;
                let done = json!({
                    "email": email,
                    "disabled": true,
                    "grants_ended": grants,
                    "last_token_expires_at": last_token_ends_at.map(Timestamp::to_rfc3339),
                });
                output::sentences(output, &done, || {
                    let mut sentences = vec![format!("{email} is disabled.")];
                    sentences.push(format!("Access ended for {}.", counted(grants as u64, "app", "apps")));
                    sentences.extend(last_token(last_token_ends_at, context.clock.now(), "their last tokens"));
                    sentences
                })
            }
            Command::Enable { email } => {
                disable_user::enable_user(&context, &empty_cache(), &email, &AuditActor::COMMAND_LINE)
                    .await
                    .map_err(Failure::failed)?;
                output::item(output, &json!({"email": email, "disabled": false}), || format!("enabled {email}"))
            }
        }
    })
}

async fn remove(context: &Context, org: &OrgFlag, email: &str, output: Output) -> Result<(), Failure> {
    let org = org.find(context).await?;
    let removed = change_membership::remove_member(context, &empty_cache(), org.id, email, &AuditActor::COMMAND_LINE)
        .await
        .map_err(Failure::failed)?;
    let done = json!({
        "id": removed.user_id,
        "email": email,
        "org": org.name,
        "grants_ended": removed.grants,
        "application_keys_revoked": removed.application_keys,
        "last_token_expires_at": removed.last_token_ends_at.map(Timestamp::to_rfc3339),
    });
    output::sentences(output, &done, || {
        let grants = removed.grants as u64;
        let keys = removed.application_keys as u64;
        let mut sentences = vec![
            format!("{email} was removed from {:?}.", org.name),
            format!("Access ended for {}.", counted(grants, "app", "apps")),
            format!("Revoked {}.", counted(keys, "application key", "application keys")),
        ];
        sentences.extend(last_token(removed.last_token_ends_at, context.clock.now(), "their last tokens"));
        sentences
    })
}

/// An empty cache, because this process serves no requests. Running servers notice within five
/// seconds.
fn empty_cache() -> OperatorCache {
    OperatorCache::new(Clock::system())
}
