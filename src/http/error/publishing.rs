//! The errors of submitting, reviewing and publishing clients, and of partners.

use crate::actions::clients::publishing::PublishingError;
use crate::actions::partners::PartnerError;
use crate::http::error::api::{ApiError, Source};

impl From<PublishingError> for ApiError {
    fn from(error: PublishingError) -> Self {
        match error {
            PublishingError::NoSuchClient => Self::NoSuchPrivateClient,
            PublishingError::NoSuchPublishedClient => Self::NoSuchPublishedClient,
            PublishingError::NoSuchVersion => Self::NoSuchVersion,
            PublishingError::Incomplete(missing) => Self::Incomplete(missing),
            PublishingError::NoteMissing => Self::bad_attribute(error, "note"),
            PublishingError::NothingChanges => {
                Self::unprocessable("nothing would change", "/data/attributes")
            }
            PublishingError::NotApprovedFor(_) => Self::Forbidden {
                detail: error.to_string(),
                source: Source::Pointer("/data/attributes/scopes".to_owned()),
            },
            PublishingError::NotAPartner
            | PublishingError::OwnSubmission
            | PublishingError::OwnOrganization => Self::MayNot(error.to_string().into()),
            PublishingError::Db(cause) => Self::Db(cause),
            error @ (PublishingError::IsPublished(_)
            | PublishingError::Retired
            | PublishingError::Open(_)
            | PublishingError::Outdated(_)
            | PublishingError::NothingSubmitted
            | PublishingError::NotSubmitted(_)
            | PublishingError::NameTaken(_)
            | PublishingError::NeverPublished) => Self::Conflict(error.to_string().into()),
        }
    }
}

impl From<PartnerError> for ApiError {
    fn from(error: PartnerError) -> Self {
        match error {
            PartnerError::NothingChanges => {
                Self::unprocessable("nothing would change", "/data/attributes")
            }
            PartnerError::Db(cause) => Self::Db(cause),
            // Reviewers are named on the command line only.
            PartnerError::NoSuchOrg
            | PartnerError::NotAPartner
            | PartnerError::NoSuchUser(_)
            | PartnerError::Disabled(_)
            | PartnerError::IsReviewer(_)
            | PartnerError::NotAReviewer(_) => Self::NoSuchPartner,
        }
    }
}
