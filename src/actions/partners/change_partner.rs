//! Approves an organization as a partner, or replaces what it may do as one.

use serde_json::{Value, json};

use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::partners::PartnerError;
use crate::actions::webhooks::publish_events::record_and_publish;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::partners::Partner;
use crate::db::{orgs, partners};
use crate::rules::id::OrgId;
use crate::rules::scope::ScopeSet;
use crate::rules::webhook::event::Event;
use crate::rules::webhook::event::lifecycle::PartnerStep;

/// What a partner may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartnerTerms {
    /// Only private scopes of the catalog.
    pub private_scopes: ScopeSet,
    pub note: Option<String>,
}

pub async fn change_partner(
    context: &Context,
    org_id: OrgId,
    terms: &PartnerTerms,
    by: &AuditActor,
) -> Result<Partner, PartnerError> {
    context
        .transact("partner.change", |tx| {
            Box::pin(async move {
                let org = orgs::find(&mut *tx, org_id).await?.ok_or(PartnerError::NoSuchOrg)?;
                orgs::lock_for_change(tx, org_id).await?;
                let before = partners::find(&mut *tx, org_id).await?;
                let partner = Partner {
                    org_id,
                    org_name: org.name,
                    private_scopes: terms.private_scopes.clone(),
                    note: terms.note.clone(),
                    approved_by: by.actor.user_id(),
                    approved_at: before
                        .as_ref()
                        .map_or_else(|| context.clock.now(), |before| before.approved_at),
                };
                let (old, new) = (before.as_ref().map(recorded), recorded(&partner));
                if old.as_ref() == Some(&new) {
                    return Ok(partner);
                }
                partners::upsert(tx, &partner).await?;
                let step = if old.is_some() { PartnerStep::Changed } else { PartnerStep::Approved };
                let change = PartnerChange { org_id, step, before: old, after: new };
                record(context, tx, change, by).await?;
                Ok(partner)
            })
        })
        .await
}

fn recorded(partner: &Partner) -> Value {
    json!({"private_scopes": partner.private_scopes, "note": partner.note})
}

pub(super) struct PartnerChange {
    pub org_id: OrgId,
    pub step: PartnerStep,
    pub before: Option<Value>,
    pub after: Value,
}

pub(super) async fn record(
    context: &Context,
    tx: &mut Tx,
    change: PartnerChange,
    by: &AuditActor,
) -> Result<(), DbError> {
    let PartnerChange { org_id, step, before, after } = change;
    let (subject, actor) = (format!("partner:{org_id}"), by.actor.name());
    let event = Event::PartnerChanged { org_id, step, details: &after, actor: &actor };
    let (action, recorded) = (step.name(), Some(after.clone()));
    let change = Change { org_id, action, subject: &subject, before, after: recorded };
    record_and_publish(context, tx, by, vec![change], &[event]).await
}
