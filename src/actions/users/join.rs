//! Makes a user a member of an organization, for the first time or again.

use serde_json::json;

use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::grants::revoked_grants::RevokedGrants;
use crate::actions::keys::revoked_keys::{KeyKind, key_revoked};
use crate::actions::users::end_access::{MemberAccess, end_access};
use crate::actions::webhooks::publish_events::record_and_publish;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::orgs::{invitations, memberships};
use crate::db::users;
use crate::rules::id::{OrgId, UserId};
use crate::rules::identity::permission::Role;
use crate::rules::webhook::event::RevocationCause;

/// A user who joins an organization.
#[derive(Clone, Copy, Debug)]
pub(in crate::actions) struct Joining<'a> {
    pub org_id: OrgId,
    pub user_id: UserId,
    pub email: &'a str,
    pub role: Role,
    /// Whether this transaction created the account.
    pub is_new: bool,
}

/// Returns false if the user is a member already.
pub(in crate::actions) async fn join(
    context: &Context,
    tx: &mut Tx,
    joining: Joining<'_>,
    by: &AuditActor,
) -> Result<bool, DbError> {
    let Joining { org_id, user_id, email, role, is_new } = joining;
    let now = context.clock.now();
    if !is_new {
        users::lock(tx, user_id).await?;
    }
    if !memberships::insert(&mut *tx, org_id, user_id, role, now).await? {
        return Ok(false);
    }
    invitations::end_of_email(tx, org_id, email, now).await?;
    // An older version of this server can create keys and grants after a membership ended. These
    // must not become valid again.
    let left_over =
        if is_new { MemberAccess::default() } else { end_access(tx, org_id, user_id, now).await? };
    let revoked =
        RevokedGrants::of(context, &left_over.grants, RevocationCause::MembershipEnded, by);
    let keys = left_over.key_subjects();
    let mut changes = revoked.changes();
    changes
        .extend(keys.iter().map(|subject| key_revoked(KeyKind::Application, org_id, subject, now)));
    let subject = format!("user:{user_id}");
    let after = Some(json!({"email": email, "role": role.as_str()}));
    changes.push(Change {
        org_id,
        action: "member.joined",
        subject: &subject,
        before: None,
        after,
    });
    record_and_publish(context, tx, by, changes, &revoked.events()).await?;
    Ok(true)
}
