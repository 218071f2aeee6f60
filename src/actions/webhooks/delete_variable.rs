//! Deletes a variable of webhooks. Templates that still use it send its name unchanged.

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::conflict::retry_on_conflict;
use crate::actions::context::Context;
use crate::actions::webhooks::create_variable::recorded;
use crate::actions::webhooks::find_variable::VariableError;
use crate::db::orgs;
use crate::db::webhooks::variables;
use crate::rules::id::OrgId;

pub async fn delete_variable(
    context: &Context,
    org_id: OrgId,
    name: &str,
    by: &AuditActor,
) -> Result<(), VariableError> {
    retry_on_conflict(context, || delete(context, org_id, name, by)).await
}

async fn delete(context: &Context, org_id: OrgId, name: &str, by: &AuditActor) -> Result<(), VariableError> {
    let mut tx = context.db.begin().await?;
    orgs::lock_for_change(&mut tx, org_id).await?;
    let variable = variables::lock(&mut tx, org_id, name).await?.ok_or(VariableError::NoSuchVariable)?;
    variables::delete(&mut tx, org_id, variable.id).await?;
    let (subject, before) = (format!("webhook_variable:{}", variable.id), Some(recorded(&variable)));
    let change = Change { org_id, action: "webhook_variable.deleted", subject: &subject, before, after: None };
    audit::record(context, &mut tx, by, change).await?;
    Ok(tx.commit().await?)
}
