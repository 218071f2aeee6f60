//! The errors of people, roles and invitations.

use crate::actions::people::PersonError;
use crate::http::error::api::ApiError;

impl From<PersonError> for ApiError {
    fn from(error: PersonError) -> Self {
        match error {
            PersonError::NoSuchPerson(id) => Self::NoSuchId(id.0),
            PersonError::NotInvited(_) => Self::bad_member(error, "/data"),
            PersonError::Email => Self::bad_attribute(error, "email"),
            PersonError::Name => Self::bad_attribute(error, "name"),
            PersonError::IsMember | PersonError::IsInvited => {
                Self::Conflict(error.to_string().into())
            }
            PersonError::OthersName
            | PersonError::AccountDisabled
            | PersonError::LastAdministrator => Self::MayNot(error.to_string().into()),
            PersonError::NothingChanges => {
                Self::unprocessable("nothing would change", "/data/attributes")
            }
            PersonError::Db(cause) => Self::Db(cause),
        }
    }
}
