//! Creates links for invitations. A link is shown once, and a new one ends the previous one.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::people::{PersonError, open_invitation};
use crate::db::engine::transaction::Tx;
use crate::db::orgs;
use crate::db::orgs::invitations;
use crate::db::orgs::invitations::Invitation;
use crate::rules::id::{InvitationId, OrgId, UserId};
use crate::rules::secret::Secret;
use crate::rules::timestamp::Timestamp;

/// An invitation with its new link.
#[derive(Clone, Debug)]
pub struct NewLink {
    pub invitation: Invitation,
    pub token: Secret,
    pub expires_at: Timestamp,
}

/// Creates all links or none. `lifetime` is in seconds.
pub async fn create_links(
    context: &Context,
    org_id: OrgId,
    ids: &[UserId],
    lifetime: i64,
    by: &AuditActor,
) -> Result<Vec<NewLink>, PersonError> {
    let expires_at = context.clock.now().plus(lifetime);
    context
        .transact("person.create_links", |tx| {
            Box::pin(async move {
                orgs::lock_for_change(tx, org_id).await?;
                let mut links = Vec::new();
                for id in ids {
                    let found = invitations::find(&mut *tx, org_id, InvitationId(id.0)).await?;
                    let invitation = found.ok_or(PersonError::NotInvited(*id))?;
                    links.push(create(context, tx, invitation, expires_at, by).await?);
                }
                Ok(links)
            })
        })
        .await
}

async fn create(
    context: &Context,
    tx: &mut Tx,
    invitation: Invitation,
    expires_at: Timestamp,
    by: &AuditActor,
) -> Result<NewLink, PersonError> {
    let token = context.random.token("");
    invitations::update_link(tx, invitation.id, token.digest(), expires_at).await?;
    let Invitation { org_id, email, role, .. } = &invitation;
    let change = Change {
        org_id: *org_id,
        action: "member.invited",
        subject: &open_invitation::subject(invitation.id),
        before: None,
        after: Some(json!({"email": email, "role": role, "link_expires_at": expires_at})),
    };
    audit::record(context, tx, by, change).await?;
    Ok(NewLink { invitation, token, expires_at })
}
