//! Publishes clients: an owner submits a version, a reviewer decides, and the published client gets
//! the attributes of an approved version. Nothing else changes it.

pub mod decide;
pub mod manage;
pub mod retire;
pub mod review;
pub mod submit;
pub mod withdraw;

use serde_json::{Value, json};

use crate::db::clients::versions::Version;
use crate::db::engine::error::DbError;
use crate::rules::client::ClientId;
use crate::rules::client::version::VersionState;
use crate::rules::id::VersionId;
use crate::rules::scope::ScopeSet;

#[derive(Debug, thiserror::Error)]
pub enum PublishingError {
    #[error("this organization has no client with this id")]
    NoSuchClient,
    #[error("there is no published client with this id")]
    NoSuchPublishedClient,
    #[error("there is no version with this id")]
    NoSuchVersion,
    #[error(
        "this organization is not an approved partner: the operator of this server approves partners"
    )]
    NotAPartner,
    #[error("{} is for approved partners: the operator of this server approves them", .0.in_words())]
    NotApprovedFor(ScopeSet),
    /// Each is a sentence.
    #[error("{}", .0.join("; "))]
    Incomplete(Vec<String>),
    #[error("this is the published client: submit its private one, {0}")]
    IsPublished(ClientId),
    #[error("its published client was retired: create another client")]
    Retired,
    #[error("version {0} is in review: withdraw it before another is submitted")]
    Open(VersionId),
    #[error("the client has changed: its revision is {0}")]
    Outdated(i64),
    #[error("nothing is submitted")]
    NothingSubmitted,
    #[error("you submitted this version: another reviewer decides about it")]
    OwnSubmission,
    #[error("you cannot review submissions from your own organization")]
    OwnOrganization,
    #[error("this version is {}, not submitted", .0.as_str())]
    NotSubmitted(VersionState),
    #[error("the published client \"{0}\" has a name that looks like this one")]
    NameTaken(String),
    #[error("note is missing: say why")]
    NoteMissing,
    #[error("this client was never published")]
    NeverPublished,
    #[error("nothing would change")]
    NothingChanges,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The version in the audit trail and in events.
fn recorded(version: &Version) -> Value {
    json!({"version_id": version.id, "version": version.number})
}
