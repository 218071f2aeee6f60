//! A type for each kind of id, so that one cannot be passed for another. `ClientId` is in
//! `client/mod.rs`, because a client's id may be derived from its metadata.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta] $name:ident),* $(,)?) => {$(
        #[$doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    )*};
}

id! {
    /// An organization.
    OrgId,
    /// A user, who can be a member of several organizations.
    UserId,
    /// The row of an API key or application key. The secret is separate.
    KeyId,
    /// The access that one user granted to one client in one organization.
    GrantId,
    /// An invitation to an organization. A new account keeps the id.
    InvitationId,
    /// A chain of refresh tokens, together with the access tokens issued with them.
    FamilyId,
    /// A signed-in browser session.
    SessionId,
    /// An API or MCP server that accepts tokens.
    ResourceId,
    /// A pair of client and organization, for the management API.
    AuthorizedClientId,
    /// The configuration for fetching access tokens for webhook receivers.
    AuthMethodId,
    /// A webhook: a URL to which the events of an organization are delivered.
    WebhookId,
    /// A variable that webhook payloads and headers can refer to.
    VariableId,
    /// A secret of a confidential client.
    SecretId,
    /// A version of a client that was submitted for review.
    VersionId,
    /// An event in an organization, delivered to its webhooks.
    EventId,
}
