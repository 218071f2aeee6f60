//! An invitation that the person has not accepted yet.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::orgs;
use crate::db::orgs::invitations;
use crate::db::orgs::invitations::Invitation;
use crate::rules::id::{InvitationId, OrgId, UserId};

/// The invitation in the audit trail.
pub(super) fn subject(id: InvitationId) -> String {
    format!("invitation:{id}")
}

/// Locks the organization and returns the open invitation with this id, if there is one. Until it
/// is accepted, the person has the id of the invitation.
pub(super) async fn lock(
    tx: &mut Tx,
    org_id: OrgId,
    id: UserId,
) -> Result<Option<Invitation>, DbError> {
    let id = InvitationId(id.0);
    if invitations::find(&mut *tx, org_id, id).await?.is_none() {
        return Ok(None);
    }
    orgs::lock_for_change(tx, org_id).await?;
    invitations::find(tx, org_id, id).await
}

/// Requires [`lock`].
pub(super) async fn end(
    context: &Context,
    tx: &mut Tx,
    invitation: &Invitation,
    by: &AuditActor,
) -> Result<(), DbError> {
    invitations::end(tx, invitation.id, context.clock.now()).await?;
    let change = Change {
        org_id: invitation.org_id,
        action: "member.left",
        subject: &subject(invitation.id),
        before: Some(json!({"email": invitation.email, "role": invitation.role})),
        after: None,
    };
    audit::record(context, tx, by, change).await
}
