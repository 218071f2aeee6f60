//! Locks a member whose membership is about to change.
//!
//! The row of the organization is locked first, so that two concurrent changes cannot leave it
//! without an administrator.

use crate::actions::users::create_user::parse_email;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::orgs::memberships;
use crate::db::users::User;
use crate::db::{orgs, users};
use crate::rules::id::OrgId;
use crate::rules::identity::membership::keeps_an_administrator;
use crate::rules::identity::permission::Role;

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

/// Returns the user and the current role if the change is allowed. `role` is the new role, or
/// `None` if the membership ends. The user's row is locked too, so that the user cannot authorize
/// anything in this organization until the transaction ends.
pub(super) async fn lock_member(
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
