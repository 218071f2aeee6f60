//! Who does something, and the record of it.

use std::net::IpAddr;

use serde_json::Value;

use super::Context;
use crate::db::audit_events::{self, AuditEvent};
use crate::db::{DbError, Tx};
use crate::oauth::OrgId;
use crate::oauth::operator::Operator;

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
    Operator(Operator),
}

impl By {
    pub const COMMAND_LINE: Self = Self { actor: Actor::CommandLine, request_id: None, address: None };
}

impl Actor {
    fn name(&self) -> String {
        match self {
            Self::CommandLine => "command_line".to_owned(),
            Self::Operator(operator) => {
                format!("user:{} application_key:{}", operator.user_id, operator.application_key_id)
            }
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

/// Records a change in the transaction that makes it.
pub(super) async fn record(context: &Context, tx: &mut Tx, by: &By, change: Change<'_>) -> Result<(), DbError> {
    let event = AuditEvent {
        id: context.new_id(),
        org_id: Some(change.org_id),
        at: context.clock.now(),
        actor: by.actor.name(),
        action: change.action.to_owned(),
        subject: change.subject.to_owned(),
        before: change.before,
        after: change.after,
        request_id: by.request_id.clone(),
        address: by.address.map(|address| address.to_string()),
    };
    audit_events::insert(tx, &event).await
}
