//! Renames an organization.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::orgs::create_org::{CreateOrgError, parse_name};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::orgs;
use crate::db::orgs::Org;

/// Returns the new name as it is stored. Renaming to the current name changes nothing.
pub async fn rename_org(
    context: &Context,
    org: &Org,
    name: &str,
    by: &AuditActor,
) -> Result<String, CreateOrgError> {
    let name = parse_name(name)?;
    context.transact("org.rename", |tx| Box::pin(rename_in(context, tx, org, name, by))).await?;
    Ok(name.to_owned())
}

async fn rename_in(
    context: &Context,
    tx: &mut Tx,
    org: &Org,
    name: &str,
    by: &AuditActor,
) -> Result<(), CreateOrgError> {
    orgs::lock_for_change(tx, org.id).await?;
    let before = orgs::find(&mut *tx, org.id).await?.map(|org| org.name);
    if before.as_deref() == Some(name) {
        return Ok(());
    }
    match orgs::rename(tx, org.id, name).await {
        Err(DbError::Duplicate) => return Err(CreateOrgError::Exists(name.to_owned())),
        outcome => outcome?,
    }
    let subject = format!("org:{}", org.id);
    let (before, after) = (Some(json!({"name": before})), Some(json!({"name": name})));
    let change = Change { org_id: org.id, action: "org.renamed", subject: &subject, before, after };
    Ok(audit::record(context, tx, by, change).await?)
}
