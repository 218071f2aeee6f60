//! A variable of webhooks is forgotten. Where a template still names it, the name stays as it is.

use super::audit::{self, Change};
use super::conflict::again_after_conflict;
use super::create_variable::recorded;
use super::find_variable::VariableError;
use super::{By, Context};
use crate::db::{orgs, webhook_variables};
use crate::oauth::OrgId;

pub async fn delete_variable(context: &Context, org_id: OrgId, name: &str, by: &By) -> Result<(), VariableError> {
    again_after_conflict(context, || delete(context, org_id, name, by)).await
}

async fn delete(context: &Context, org_id: OrgId, name: &str, by: &By) -> Result<(), VariableError> {
    let mut tx = context.db.begin().await?;
    orgs::lock_for_change(&mut tx, org_id).await?;
    let variable = webhook_variables::lock(&mut tx, org_id, name).await?.ok_or(VariableError::NoSuchVariable)?;
    webhook_variables::delete(&mut tx, org_id, variable.id).await?;
    let (subject, before) = (format!("webhook_variable:{}", variable.id), Some(recorded(&variable)));
    let change = Change { org_id, action: "webhook_variable.deleted", subject: &subject, before, after: None };
    audit::record(context, &mut tx, by, change).await?;
    Ok(tx.commit().await?)
}
