//! `grantor user create`: adds a user to an organization.

use clap::Args;
use serde_json::json;

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::users::create_user;
use crate::actions::users::create_user::NewMember;
use crate::cli::arguments::org::OrgFlag;
use crate::cli::arguments::password;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::Output;
use crate::rules::identity::permission::Role;

#[derive(Debug, Args)]
pub struct Arguments {
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
}

pub async fn create(
    context: &Context,
    arguments: Arguments,
    output: Output,
) -> Result<(), Failure> {
    let Arguments { org, email, name, role, password_stdin } = arguments;
    let password = password::from_stdin(password_stdin)?;
    let org_id = org.find(context).await?.id;
    let by = AuditActor::COMMAND_LINE;
    let new = NewMember { email: &email, name: name.as_deref(), role, password };
    let user = create_user::create_user(context, org_id, new, &by).await;
    let user = user.map_err(Failure::failed)?;
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
