//! `grantor user set-role`: changes the role of a member.

use clap::Args;
use serde_json::json;

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::users::membership::MemberName;
use crate::actions::users::set_role;
use crate::actions::users::set_role::NewRole;
use crate::cli::arguments::org::OrgFlag;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::Output;
use crate::cli::user::empty_cache;
use crate::rules::identity::permission::Role;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    org: OrgFlag,
    /// Email address of the member.
    #[arg(long, value_name = "EMAIL")]
    email: String,
    /// New role: admin, standard or read_only.
    #[arg(long, value_parser = Role::parse)]
    role: Role,
}

pub async fn set_role(
    context: &Context,
    arguments: &Arguments,
    output: Output,
) -> Result<(), Failure> {
    let Arguments { org, email, role } = arguments;
    let role = *role;
    let org = org.find(context).await?;
    let by = AuditActor::COMMAND_LINE;
    let new = NewRole { org_id: org.id, member: MemberName::Email(email), role };
    let set = set_role::set_role(context, &empty_cache(), new, &by).await;
    let set = set.map_err(Failure::failed)?;
    let shown = json!({"id": set.user_id, "email": email, "org": org.name, "role": role});
    output::item(output, &shown, || match set.before == role {
        true => format!("{email} already has the role {role} in {:?}", org.name),
        false => {
            format!("changed the role of {email} in {:?} from {} to {role}", org.name, set.before)
        }
    })
}
