//! Extractors. Each one fails with the error type of the audience that uses it.

pub mod browser;
pub mod look_ups;

mod app_caller;
mod caller;
mod client_ip;
mod client_uuid;
mod json_api;
mod named;
mod oauth_form;
mod page_form;
mod query;
mod reviewer;

pub use crate::http::extract::app_caller::AppCaller;
pub use crate::http::extract::caller::{
    ApiKeysDelete, ApiKeysRead, ApiKeysWrite, AppsRead, AppsReadOrIntegrations, AppsWrite,
    AuditRead, Caller, Integrations, Members, OrgManagement, OwnApps, OwnClients, OwnClientsManage,
    OwnKeysRead, OwnKeysWrite, PeopleInvite, PeopleManage, PeopleRead, Permit,
};
pub use crate::http::extract::client_ip::ClientIp;
pub use crate::http::extract::client_uuid::ClientUuid;
pub use crate::http::extract::json_api::{JsonApi, JsonBody, Resource, attributes_of, resource_of};
pub use crate::http::extract::named::{Named, NamedWithId};
pub use crate::http::extract::oauth_form::{
    Authorization, ClientCredentials, ClientForm, OAuthForm,
};
pub use crate::http::extract::page_form::{PageForm, PageQuery, RequestHandle};
pub use crate::http::extract::query::Query;
pub use crate::http::extract::reviewer::Reviewer;
