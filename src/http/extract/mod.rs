//! From the wire to types: each extractor fails in the shape of the audience that uses it.

pub mod basic;
mod client_uuid;
mod named;
mod operator;

pub use client_uuid::ClientUuid;
pub use named::{Named, NamedWithId};
pub use operator::{MayManageApps, MayManageIntegrations, MayManageOrg, MayRead, MayWrite, presents_credentials};
