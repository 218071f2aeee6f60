//! `grantor invite`: invites a person to an organization.

use clap::Args;
use serde_json::json;

use crate::actions::audit::AuditActor;
use crate::actions::people::create_links::{NewLink, create_links};
use crate::actions::people::invite::{NewInvitation, invite_or_find};
use crate::cli::arguments::org::OrgFlag;
use crate::cli::database;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::Output;
use crate::cli::runtime::block_on;
use crate::config::Loaded;
use crate::rules::id::UserId;
use crate::rules::identity::invitation_link::invitation_link;
use crate::rules::identity::permission::Role;

/// Invite a person to an organization, and print the link with which they join.
///
/// Anyone who has the link can accept the invitation. For a person who is already invited, this prints
/// a new link, which ends the previous one; their name and role stay as they are.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    org: OrgFlag,
    /// Email address of the person.
    #[arg(long, value_name = "EMAIL")]
    email: String,
    /// Display name. Ignored if the person already has an account.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Role in the organization: admin, standard or read_only.
    #[arg(long, value_parser = Role::parse)]
    role: Role,
}

pub fn run(arguments: Arguments, loaded: Loaded, output: Output) -> Result<(), Failure> {
    block_on(async {
        let context = database::open(&loaded.config).await?;
        let org = arguments.org.find(&context).await?;
        let Arguments { email, name, role, .. } = &arguments;
        let new = NewInvitation { email, name: name.as_deref(), role: *role };
        let by = AuditActor::COMMAND_LINE;
        let invitation = invite_or_find(&context, org.id, new, &by).await;
        let ids = [UserId(invitation.map_err(Failure::failed)?.id.0)];
        let lifetime = loaded.config.links.invitation_lifetime();
        let links = create_links(&context, org.id, &ids, lifetime, &by).await;
        for NewLink { invitation, token, expires_at } in links.map_err(Failure::failed)? {
            let link = invitation_link(&loaded.config.http.public_url, &token);
            let ends = expires_at.to_rfc3339();
            let shown = json!({
                "id": invitation.id,
                "email": invitation.email,
                "org": org.name,
                "role": invitation.role,
                "link": link,
                "link_expires_at": ends,
            });
            output::item(output, &shown, || {
                format!(
                    "invited {} to {:?} as {}; link, shown only once, until {ends}:\n{link}",
                    invitation.email, org.name, invitation.role
                )
            })?;
        }
        Ok(())
    })
}
