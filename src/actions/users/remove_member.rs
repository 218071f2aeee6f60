//! Removes a member, with their keys and grants in the organization.

use serde_json::json;

use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::grants::revoked_grants::{RevokedAccess, RevokedGrants};
use crate::actions::keys::revoked_keys::{KeyKind, key_revoked};
use crate::actions::users::end_access::end_access;
use crate::actions::users::membership::{MemberName, MembershipError, lock_member};
use crate::actions::webhooks::publish_events::record_and_publish;
use crate::db::engine::transaction::Tx;
use crate::db::keys::callers::CallerCache;
use crate::db::orgs::memberships;
use crate::rules::id::{OrgId, UserId};
use crate::rules::timestamp::Timestamp;
use crate::rules::webhook::event::RevocationCause;

/// What was revoked together with a membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    pub user_id: UserId,
    pub grants: usize,
    pub application_keys: usize,
    /// APIs that only check signatures may accept an access token of these grants until then.
    pub last_token_ends_at: Option<Timestamp>,
}

/// The account and its other memberships are not affected. `create_user` adds the person again.
pub async fn remove_member(
    context: &Context,
    callers: &CallerCache,
    org_id: OrgId,
    member: MemberName<'_>,
    by: &AuditActor,
) -> Result<Removed, MembershipError> {
    let removed = context
        .transact("member.remove", |tx| Box::pin(remove_in(context, tx, org_id, member, by)))
        .await;
    // This also runs if the outcome is unknown: the membership may have ended.
    callers.clear();
    removed
}

/// Removes the member as part of a larger transaction.
pub(in crate::actions) async fn remove_in(
    context: &Context,
    tx: &mut Tx,
    org_id: OrgId,
    member: MemberName<'_>,
    by: &AuditActor,
) -> Result<Removed, MembershipError> {
    let now = context.clock.now();
    let (user, role) = lock_member(tx, org_id, member, None).await?;
    memberships::end(tx, org_id, user.id, now).await?;
    let access = end_access(tx, org_id, user.id, now).await?;
    let revoked = RevokedGrants::of(context, &access.grants, RevocationCause::MembershipEnded, by);
    let RevokedAccess { grants, last_token_ends_at } =
        RevokedAccess::of(tx, &access.grants).await?;
    let application_keys = access.keys.len();
    let keys = access.key_subjects();
    let mut changes = revoked.changes();
    changes
        .extend(keys.iter().map(|subject| key_revoked(KeyKind::Application, org_id, subject, now)));
    let subject = format!("user:{}", user.id);
    changes.push(Change {
        org_id,
        action: "member.left",
        subject: &subject,
        before: Some(json!({"email": user.email, "role": role})),
        after: Some(json!({"grants_ended": grants, "application_keys_revoked": application_keys})),
    });
    record_and_publish(context, tx, by, changes, &revoked.events()).await?;
    Ok(Removed { user_id: user.id, grants, application_keys, last_token_ends_at })
}
