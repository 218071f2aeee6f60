//! Changes the role of a member, or removes the member with their keys and grants in the
//! organization.
//!
//! Both actions lock the row of the organization first, so that two concurrent changes cannot leave
//! it without an administrator.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::grants::revoked_grants::{RevokedAccess, RevokedGrants};
use crate::actions::users::create_user::parse_email;
use crate::actions::users::end_access::{end_access, key_revoked};
use crate::actions::webhooks::publish_events::record_and_publish;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::keys::callers::CallerCache;
use crate::db::orgs::memberships;
use crate::db::users::User;
use crate::db::{orgs, users};
use crate::rules::id::{OrgId, UserId};
use crate::rules::identity::membership::keeps_an_administrator;
use crate::rules::identity::permission::Role;
use crate::rules::timestamp::Timestamp;
use crate::rules::webhook::event::RevocationCause;

#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    #[error(
        "{0} is not a member of this organization; `grantor user list --org …` lists its members"
    )]
    NotAMember(String),
    #[error(
        "{0} is the last active administrator of this organization: give another member the role \
         admin first"
    )]
    LastAdministrator(String),
    #[error(transparent)]
    Db(#[from] DbError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleSet {
    pub user_id: UserId,
    pub before: Role,
}

/// What was revoked together with a membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    pub user_id: UserId,
    pub grants: usize,
    pub application_keys: usize,
    /// APIs that only check signatures may accept an access token of these grants until then.
    pub last_token_ends_at: Option<Timestamp>,
}

/// The new role of a member.
#[derive(Clone, Copy, Debug)]
pub struct NewRole<'a> {
    pub org_id: OrgId,
    pub email: &'a str,
    pub role: Role,
}

/// The new role applies from the next request of a key or a token, on other replicas within five
/// seconds.
pub async fn set_role(
    context: &Context,
    callers: &CallerCache,
    new: NewRole<'_>,
    by: &AuditActor,
) -> Result<RoleSet, MembershipError> {
    let NewRole { org_id, email, role } = new;
    let set = context
        .transact("member.set_role", |tx| {
            Box::pin(async move {
                let (user, before) = lock_member(tx, org_id, email, Some(role)).await?;
                if before != role {
                    memberships::update_role(tx, org_id, user.id, role).await?;
                    let subject = format!("user:{}", user.id);
                    let change = Change {
                        org_id,
                        action: "member.role_changed",
                        subject: &subject,
                        before: Some(json!({"role": before})),
                        after: Some(json!({"role": role})),
                    };
                    audit::record(context, tx, by, change).await?;
                }
                Ok(RoleSet { user_id: user.id, before })
            })
        })
        .await;
    // This also runs if the outcome is unknown: the role may have changed.
    callers.clear();
    set
}

/// The account and its other memberships are not affected. `create_user` adds the person again.
pub async fn remove_member(
    context: &Context,
    callers: &CallerCache,
    org_id: OrgId,
    email: &str,
    by: &AuditActor,
) -> Result<Removed, MembershipError> {
    let removed =
        context
            .transact("member.remove", |tx| {
                Box::pin(async move {
                    let now = context.clock.now();
                    let (user, role) = lock_member(tx, org_id, email, None).await?;
                    memberships::end(tx, org_id, user.id, now).await?;
                    let access = end_access(tx, org_id, user.id, now).await?;
                    let revoked = RevokedGrants::of(context, &access.grants, RevocationCause::MembershipEnded, by);
                    let keys = access.key_subjects();
                    let mut changes = revoked.changes();
                    changes.extend(keys.iter().map(|subject| key_revoked(org_id, subject, now)));
                    let subject = format!("user:{}", user.id);
                    let RevokedAccess { grants, last_token_ends_at } = RevokedAccess::of(tx, &access.grants).await?;
                    let removed =
                        Removed { user_id: user.id, grants, application_keys: access.keys.len(), last_token_ends_at };
                    changes.push(Change {
        org_id,
        action: "member.left",
        subject: &subject,
        before: Some(json!({"email": user.email, "role": role})),
        after: Some(json!({"grants_ended": removed.grants, "application_keys_revoked": removed.application_keys})),
    });
                    record_and_publish(context, tx, by, changes, &revoked.events()).await?;
                    Ok(removed)
                })
            })
            .await;
    callers.clear();
    removed
}

/// Returns the user and the current role if the change is allowed. `role` is the new role, or
/// `None` if the membership ends. The user's row is locked too, so that the user cannot authorize
/// anything in this organization until the transaction ends.
async fn lock_member(
    tx: &mut Tx,
    org_id: OrgId,
    email: &str,
    role: Option<Role>,
) -> Result<(User, Role), MembershipError> {
    let not_a_member = || MembershipError::NotAMember(email.escape_debug().to_string());
    let address = parse_email(email).map_err(|_| not_a_member())?;
    let user = users::find_by_email(&mut *tx, &address).await?.ok_or_else(not_a_member)?;
    users::lock(tx, user.id).await?;
    orgs::lock_for_change(tx, org_id).await?;
    let present = memberships::find(&mut *tx, org_id, user.id).await?.ok_or_else(not_a_member)?;
    let administrators = memberships::list_active_administrators(&mut *tx, org_id).await?;
    if !keeps_an_administrator(&administrators, user.id, role) {
        return Err(MembershipError::LastAdministrator(user.email));
    }
    Ok((user, present))
}
