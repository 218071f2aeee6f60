//! Finds and locks a member whose role is about to change, and checks that the change is allowed.
//! The organization is locked first, so that two concurrent changes cannot leave it
//! without an administrator.

use crate::actions::users::create_user::parse_email;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::orgs::memberships;
use crate::db::users::User;
use crate::db::{orgs, users};
use crate::rules::id::{OrgId, UserId};
use crate::rules::identity::membership::keeps_an_administrator;
use crate::rules::identity::permission::Role;

/// How a command or a request names a member.
#[derive(Clone, Copy, Debug)]
pub enum MemberName<'a> {
    /// In any spelling.
    Email(&'a str),
    Id(UserId),
}

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
    member: MemberName<'_>,
    role: Option<Role>,
) -> Result<(User, Role), MembershipError> {
    let not_a_member = || match member {
        MemberName::Email(email) => MembershipError::NotAMember(email.escape_debug().to_string()),
        MemberName::Id(id) => MembershipError::NotAMember(id.to_string()),
    };
    let user = find_user(tx, member).await?.ok_or_else(not_a_member)?;
    users::lock(tx, user.id).await?;
    orgs::lock_for_change(tx, org_id).await?;
    let present = memberships::find(&mut *tx, org_id, user.id).await?.ok_or_else(not_a_member)?;
    let administrators = memberships::list_active_administrators(&mut *tx, org_id).await?;
    if !keeps_an_administrator(&administrators, user.id, role) {
        return Err(MembershipError::LastAdministrator(user.email));
    }
    Ok((user, present))
}

async fn find_user(tx: &mut Tx, member: MemberName<'_>) -> Result<Option<User>, DbError> {
    match member {
        MemberName::Email(email) => match parse_email(email) {
            Ok(address) => users::find_by_email(&mut *tx, &address).await,
            Err(_) => Ok(None),
        },
        MemberName::Id(id) => users::find(&mut *tx, id).await,
    }
}
