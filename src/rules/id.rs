//! Ids that cannot be mistaken for one another. A client's id is in `client.rs`, since it is derived and not drawn.

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
    /// An organisation.
    OrgId,
    /// A person, in however many organisations.
    UserId,
    /// An API key or an application key: the row, not the secret.
    KeyId,
    /// What one user authorised for one client in one organisation.
    GrantId,
    /// A chain of refresh tokens and the access tokens beside it.
    FamilyId,
    /// A browser in which somebody is signed in.
    SessionId,
    /// An API or MCP server that tokens are for.
    ResourceId,
    /// A client in one organisation, as its operators call the pair.
    AuthorizedClientId,
    /// How to get an access token for the receivers of webhooks.
    AuthMethodId,
    /// Where events of an organisation are sent.
    WebhookId,
    /// What payloads and headers of webhooks may name.
    VariableId,
    /// Something that happened in an organisation, for whoever is told.
    EventId,
}
