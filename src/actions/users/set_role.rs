//! Changes the role of a member.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::users::membership::{MembershipError, lock_member};
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
