//! `grantor bootstrap`: creates an organization, its administrator and a pair of keys.

use clap::Args;
use serde_json::{Value, json};

use crate::actions::audit::AuditActor;
use crate::actions::orgs::bootstrap;
use crate::actions::orgs::bootstrap::Bootstrapped;
use crate::cli::arguments::password;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::runtime::block_on;
use crate::cli::{database, output};
use crate::config::Loaded;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the new organization. It must not exist yet.
    #[arg(long, value_name = "NAME")]
    org: String,
    /// Email address of its administrator.
    #[arg(long, value_name = "EMAIL")]
    email: String,
    /// Read the administrator's password from standard input instead of generating one.
    #[arg(long)]
    password_stdin: bool,
}

pub fn run(arguments: Arguments, loaded: Loaded, output: Output) -> Result<(), Failure> {
    let password = password::from_stdin(arguments.password_stdin)?;
    let made = block_on(async {
        let context = database::open_migrated(&loaded.config).await?;
        let Arguments { org, email, .. } = &arguments;
        let by = AuditActor::COMMAND_LINE;
        bootstrap::bootstrap(&context, org, email, password, &by).await.map_err(Failure::failed)
    })?;
    output::item(output, &as_json(&made), || as_text(&made))
}

fn as_json(made: &Bootstrapped) -> Value {
    json!({
        "org": {"id": made.org_id, "name": made.org_name},
        "user": {
            "id": made.user.id,
            "email": made.user.email,
            "password": made.user.password.as_ref().map(|password| password.expose()),
        },
        "api_key": made.keys.api_key.expose(),
        "api_key_id": made.keys.api_key_id,
        "application_key": made.keys.application_key.expose(),
        "application_key_id": made.keys.application_key_id,
    })
}

/// The keys and the password, which are shown only once.
pub fn as_text(made: &Bootstrapped) -> String {
    let password = made.user.password.as_ref().map_or("(as given)", |password| password.expose());
    let hint = made
        .user
        .password
        .as_ref()
        .map_or("", |_| " The password must be changed at the first sign-in.");
    format!(
        "Organization     {}  ({})\nAdministrator    {}\nPassword         {password}\nAPI key          {}\nApplication key  {}\n\n\
         The keys and the password are shown only once.{hint}",
        made.org_name,
        made.org_id,
        made.user.email,
        made.keys.api_key.expose(),
        made.keys.application_key.expose(),
    )
}
