//! Partners, whose clients may be published, and the reviewers who approve them.

pub mod change_partner;
pub mod end_partner;
pub mod reviewers;

use crate::db::engine::error::DbError;

#[derive(Debug, thiserror::Error)]
pub enum PartnerError {
    #[error("there is no organization with this id")]
    NoSuchOrg,
    #[error("this organization is not a partner")]
    NotAPartner,
    #[error("nothing would change")]
    NothingChanges,
    #[error("no user has the email address {0}")]
    NoSuchUser(String),
    #[error("{0} is disabled: enable the user first")]
    Disabled(String),
    #[error("{0} is a reviewer already")]
    IsReviewer(String),
    #[error("{0} is not a reviewer; `grantor reviewer list` lists them")]
    NotAReviewer(String),
    #[error(transparent)]
    Db(#[from] DbError),
}
