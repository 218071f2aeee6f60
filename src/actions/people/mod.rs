//! The people of an organization, as its members manage them over the API: invitations, roles,
//! names, and the end of a membership.

pub mod accept;
pub mod create_links;
pub mod give_role;
pub mod invite;
mod open_invitation;
pub mod remove;
pub mod update;

use crate::actions::users::create_user::CreateUserError;
use crate::actions::users::membership::MembershipError;
use crate::db::engine::error::DbError;
use crate::rules::id::UserId;

#[derive(Debug, thiserror::Error)]
pub enum PersonError {
    #[error("{0} not found")]
    NoSuchPerson(UserId),
    #[error("{0} is not invited to this organization")]
    NotInvited(UserId),
    #[error(
        "the email address is not valid: it needs exactly one @ with text on both sides, and no spaces"
    )]
    Email,
    #[error("a person's name must have 1 to 100 characters and no control characters")]
    Name,
    #[error("this person is already a member of the organization")]
    IsMember,
    #[error("this person is already invited: POST /api/v2/user_invitations creates another link")]
    IsInvited,
    #[error("only the person can change the name of an account")]
    OthersName,
    #[error("the operator of this server disabled this account, and only they can enable it")]
    AccountDisabled,
    #[error("the organization needs an administrator")]
    LastAdministrator,
    #[error("nothing would change")]
    NothingChanges,
    #[error(transparent)]
    Db(#[from] DbError),
}

impl PersonError {
    /// The error of a change of this member.
    fn of_member(error: MembershipError, id: UserId) -> Self {
        match error {
            MembershipError::NotAMember(_) => Self::NoSuchPerson(id),
            MembershipError::LastAdministrator(_) => Self::LastAdministrator,
            MembershipError::Db(cause) => Self::Db(cause),
        }
    }

    /// The error of an email address.
    fn of_email(_: CreateUserError) -> Self {
        Self::Email
    }

    /// The error of a name.
    fn of_name(_: CreateUserError) -> Self {
        Self::Name
    }
}
