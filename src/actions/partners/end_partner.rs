//! Ends a partnership. Published clients keep working, without private scopes, and the organization
//! can submit no more versions.

use serde_json::json;

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::partners::PartnerError;
use crate::actions::partners::change_partner::{PartnerChange, record};
use crate::db::{orgs, partners};
use crate::rules::id::OrgId;
use crate::rules::webhook::event::lifecycle::PartnerStep;

pub async fn end_partner(
    context: &Context,
    org_id: OrgId,
    by: &AuditActor,
) -> Result<(), PartnerError> {
    context
        .transact("partner.end", |tx| {
            Box::pin(async move {
                orgs::lock_for_change(tx, org_id).await?;
                let partner = partners::find(&mut *tx, org_id).await?;
                let partner = partner.ok_or(PartnerError::NotAPartner)?;
                partners::delete(tx, org_id).await?;
                let change = PartnerChange {
                    org_id,
                    step: PartnerStep::Ended,
                    before: Some(json!({"private_scopes": partner.private_scopes})),
                    after: json!({}),
                };
                Ok(record(context, tx, change, by).await?)
            })
        })
        .await
}
