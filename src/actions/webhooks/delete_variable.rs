//! Deletes a variable of webhooks. Templates that still use it send its name unchanged.

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
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
    context
        .transact("webhook_variable.delete", |tx| {
            Box::pin(async move {
                orgs::lock_for_change(tx, org_id).await?;
                let variable = variables::lock(tx, org_id, name)
                    .await?
                    .ok_or(VariableError::NoSuchVariable)?;
                variables::delete(&mut *tx, org_id, variable.id).await?;
                let (subject, before) =
                    (format!("webhook_variable:{}", variable.id), Some(recorded(&variable)));
                let change = Change {
                    org_id,
                    action: "webhook_variable.deleted",
                    subject: &subject,
                    before,
                    after: None,
                };
                Ok(audit::record(context, tx, by, change).await?)
            })
        })
        .await
}
