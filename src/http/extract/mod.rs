//! Extractors. Each one fails with the error type of the audience that uses it.

pub mod browser;
pub mod look_ups;

pub mod basic;
mod client_uuid;
mod named;
mod operator;

pub use crate::http::extract::client_uuid::ClientUuid;
pub use crate::http::extract::named::{Named, NamedWithId};
pub use crate::http::extract::operator::{
    MayManageApps, MayManageIntegrations, MayManageOrg, MayRead, MayWrite, presents_credentials,
};
