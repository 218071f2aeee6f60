//! `grantor user set-password`: replaces a password and ends all sessions.

use clap::Args;
use serde_json::json;

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::sign_in::set_password;
use crate::actions::sign_in::set_password::NewPassword;
use crate::cli::arguments::password;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::Output;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Email address of the user.
    #[arg(long, value_name = "EMAIL")]
    email: String,
    /// Read the password from standard input instead of generating one.
    #[arg(long)]
    password_stdin: bool,
    /// Also revoke all grants of the user, in all organizations.
    #[arg(long)]
    end_grants: bool,
}

pub async fn set_password(
    context: &Context,
    arguments: &Arguments,
    output: Output,
) -> Result<(), Failure> {
    let Arguments { email, password_stdin, end_grants } = arguments;
    let password = password::from_stdin(*password_stdin)?;
    let new = NewPassword { password, keep: None, end_grants: *end_grants };
    let made = set_password::set_password(context, email, new, &AuditActor::COMMAND_LINE)
        .await
        .map_err(Failure::failed)?;
    let made = made.as_ref().map(|password| password.expose());
    output::item(output, &json!({"email": email, "password": made}), || match made {
        Some(password) => {
            format!(
                "{email} has a new password, shown only once: {password}\nIt must be changed at the next sign-in."
            )
        }
        None => format!("{email} has a new password"),
    })
}
