//! The actor of an action, and the audit events that actions record.

use std::net::IpAddr;

use serde_json::Value;

use crate::actions::context::Context;
use crate::db::audit_events;
use crate::db::audit_events::AuditEvent;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::rules::client::ClientId;
use crate::rules::id::{OrgId, UserId};
use crate::rules::identity::api_caller::{ApiCaller, Credential};

/// The actor of an action and the request it came from, as the audit event records them.
#[derive(Clone, Debug)]
pub struct AuditActor {
    pub actor: Actor,
    pub request_id: Option<String>,
    pub address: Option<IpAddr>,
}

#[derive(Clone, Debug)]
pub enum Actor {
    /// A person who can run `grantor` on the host of the server.
    CommandLine,
    /// The server itself.
    Server,
    ApiCaller(ApiCaller),
    /// A signed-in user in a browser.
    User(UserId),
    /// A person who is not signed in.
    Anonymous,
    /// A client that acts for itself.
    Client(ClientId),
}

impl AuditActor {
    pub const COMMAND_LINE: Self =
        Self { actor: Actor::CommandLine, request_id: None, address: None };
    pub const SERVER: Self = Self { actor: Actor::Server, request_id: None, address: None };
}

impl Actor {
    /// The user behind the action, if there is one.
    pub(super) const fn user_id(&self) -> Option<UserId> {
        match self {
            Self::ApiCaller(caller) => Some(caller.user_id),
            Self::User(id) => Some(*id),
            Self::CommandLine | Self::Server | Self::Anonymous | Self::Client(_) => None,
        }
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::CommandLine => "command_line".to_owned(),
            Self::Server => "server".to_owned(),
            Self::ApiCaller(ApiCaller { user_id, credential: Credential::Keys(id), .. }) => {
                format!("user:{user_id} application_key:{id}")
            }
            Self::ApiCaller(ApiCaller { user_id, credential: Credential::Token(id), .. }) => {
                format!("user:{user_id} family:{id}")
            }
            Self::User(id) => format!("user:{id}"),
            Self::Anonymous => "anonymous".to_owned(),
            Self::Client(id) => format!("client:{id}"),
        }
    }
}

/// A change in an organization. `action` is the dotted name of its kind, `subject` is the thing
/// that changed.
pub(super) struct Change<'a> {
    pub org_id: OrgId,
    pub action: &'static str,
    pub subject: &'a str,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

/// A change that does not belong to an organization.
pub(super) struct ServerChange<'a> {
    pub action: &'static str,
    pub subject: &'a str,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

/// Records a change in the transaction that makes it.
pub(super) async fn record(
    context: &Context,
    tx: &mut Tx,
    by: &AuditActor,
    change: Change<'_>,
) -> Result<(), DbError> {
    audit_events::insert(tx, &event_of(context, by, change)).await
}

/// Returns the audit event of a change without storing it.
pub(super) fn event_of(context: &Context, by: &AuditActor, change: Change<'_>) -> AuditEvent {
    let Change { org_id, action, subject, before, after } = change;
    event(context, by, Some(org_id), ServerChange { action, subject, before, after })
}

/// Records a change that does not belong to an organization, in the transaction that makes it.
pub(super) async fn record_of_server(
    context: &Context,
    tx: &mut Tx,
    by: &AuditActor,
    change: ServerChange<'_>,
) -> Result<(), DbError> {
    audit_events::insert(tx, &event(context, by, None, change)).await
}

fn event(
    context: &Context,
    by: &AuditActor,
    org_id: Option<OrgId>,
    change: ServerChange<'_>,
) -> AuditEvent {
    AuditEvent {
        id: context.new_id(),
        org_id,
        at: context.clock.now(),
        actor: by.actor.name(),
        action: change.action.to_owned(),
        subject: change.subject.to_owned(),
        before: change.before,
        after: change.after,
        request_id: by.request_id.clone(),
        address: by.address.map(|address| address.to_string()),
    }
}
