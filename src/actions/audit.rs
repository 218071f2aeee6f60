//! Who does something, and the record of it.

use std::net::IpAddr;

use serde_json::Value;

use crate::actions::context::Context;
use crate::db::audit_events;
use crate::db::audit_events::AuditEvent;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::rules::client::ClientId;
use crate::rules::id::{OrgId, UserId};
use crate::rules::identity::operator::{Credential, Operator};

/// On whose behalf an action runs, for its audit event.
#[derive(Clone, Debug)]
pub struct By {
    pub actor: Actor,
    pub request_id: Option<String>,
    pub address: Option<IpAddr>,
}

#[derive(Clone, Debug)]
pub enum Actor {
    /// Whoever may run `grantor` on the server's machine.
    CommandLine,
    /// The server, by itself.
    Server,
    Operator(Operator),
    /// Somebody at a browser.
    User(UserId),
    /// Somebody who is not signed in.
    Anonymous,
    /// A client, for itself.
    Client(ClientId),
}

impl By {
    pub const COMMAND_LINE: Self = Self { actor: Actor::CommandLine, request_id: None, address: None };
    pub const SERVER: Self = Self { actor: Actor::Server, request_id: None, address: None };
}

impl Actor {
    /// The user who acts, if one does.
    pub(super) const fn user_id(&self) -> Option<UserId> {
        match self {
            Self::Operator(operator) => Some(operator.user_id),
            Self::User(id) => Some(*id),
            Self::CommandLine | Self::Server | Self::Anonymous | Self::Client(_) => None,
        }
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::CommandLine => "command_line".to_owned(),
            Self::Server => "server".to_owned(),
            Self::Operator(Operator { user_id, credential: Credential::Keys(id), .. }) => {
                format!("user:{user_id} application_key:{id}")
            }
            Self::Operator(Operator { user_id, credential: Credential::Token(id), .. }) => {
                format!("user:{user_id} family:{id}")
            }
            Self::User(id) => format!("user:{id}"),
            Self::Anonymous => "anonymous".to_owned(),
            Self::Client(id) => format!("client:{id}"),
        }
    }
}

/// What changed: a dotted name for the kind of change, the thing it happened to, and the thing before and after.
pub(super) struct Change<'a> {
    pub org_id: OrgId,
    pub action: &'static str,
    pub subject: &'a str,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

/// The same outside every organisation.
pub(super) struct ServerChange<'a> {
    pub action: &'static str,
    pub subject: &'a str,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

/// Records a change in the transaction that makes it.
pub(super) async fn record(context: &Context, tx: &mut Tx, by: &By, change: Change<'_>) -> Result<(), DbError> {
    audit_events::insert(tx, &event_of(context, by, change)).await
}

/// Not recorded yet.
pub(super) fn event_of(context: &Context, by: &By, change: Change<'_>) -> AuditEvent {
    let Change { org_id, action, subject, before, after } = change;
    event(context, by, Some(org_id), ServerChange { action, subject, before, after })
}

/// The same for what belongs to no organisation.
pub(super) async fn record_of_server(
    context: &Context,
    tx: &mut Tx,
    by: &By,
    change: ServerChange<'_>,
) -> Result<(), DbError> {
    audit_events::insert(tx, &event(context, by, None, change)).await
}

fn event(context: &Context, by: &By, org_id: Option<OrgId>, change: ServerChange<'_>) -> AuditEvent {
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
