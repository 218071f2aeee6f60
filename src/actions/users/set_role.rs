//! Changes the role of a member.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::users::membership::{MemberName, MembershipError, lock_member};
use crate::db::engine::transaction::Tx;
use crate::db::keys::callers::CallerCache;
use crate::db::orgs::memberships;
use crate::rules::id::{OrgId, UserId};
use crate::rules::identity::permission::Role;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleSet {
    pub user_id: UserId,
    pub before: Role,
}

/// The new role of a member.
#[derive(Clone, Copy, Debug)]
pub struct NewRole<'a> {
    pub org_id: OrgId,
    pub member: MemberName<'a>,
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
    let set =
        context.transact("member.set_role", |tx| Box::pin(set_role_in(context, tx, new, by))).await;
    // This also runs if the outcome is unknown: the role may have changed.
    callers.clear();
    set
}

/// Sets the role as part of a larger transaction.
pub(in crate::actions) async fn set_role_in(
    context: &Context,
    tx: &mut Tx,
    new: NewRole<'_>,
    by: &AuditActor,
) -> Result<RoleSet, MembershipError> {
    let NewRole { org_id, member, role } = new;
    let (user, before) = lock_member(tx, org_id, member, Some(role)).await?;
    if before != role {
        memberships::update_role(tx, org_id, user.id, role, context.clock.now()).await?;
        let change = Change {
            org_id,
            action: "member.role_changed",
            subject: &format!("user:{}", user.id),
            before: Some(json!({"role": before})),
            after: Some(json!({"role": role})),
        };
        audit::record(context, tx, by, change).await?;
    }
    Ok(RoleSet { user_id: user.id, before })
}
