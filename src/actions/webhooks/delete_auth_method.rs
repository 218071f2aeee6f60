//! Deletes an auth method that no webhook uses.

use crate::actions::audit::AuditActor;
use crate::actions::conflict::retry_on_conflict;
use crate::actions::context::Context;
use crate::actions::webhooks::create_auth_method::{AuthMethodError, audited, record};
use crate::db::engine::error::DbError;
use crate::db::orgs;
use crate::db::webhooks::auth_methods;
use crate::rules::id::{AuthMethodId, OrgId};

pub async fn delete_auth_method(
    context: &Context,
    org_id: OrgId,
    id: AuthMethodId,
    by: &AuditActor,
) -> Result<(), AuthMethodError> {
    retry_on_conflict(context, || delete(context, org_id, id, by)).await
}

async fn delete(context: &Context, org_id: OrgId, id: AuthMethodId, by: &AuditActor) -> Result<(), AuthMethodError> {
    let mut tx = context.db.begin().await?;
    orgs::lock_for_change(&mut tx, org_id).await?;
    let method = auth_methods::lock(&mut tx, org_id, id).await?.ok_or(AuthMethodError::NoSuchMethod)?;
    match auth_methods::delete(&mut tx, org_id, id).await {
        Ok(_) => {}
        Err(DbError::Reference) => {
            tx.roll_back().await?;
            return Err(AuthMethodError::InUse(auth_methods::list_webhooks(&context.db, id).await?));
        }
        Err(cause) => return Err(cause.into()),
    }
    record(context, &mut tx, by, &method, "auth_method.deleted", (Some(audited(&method)), None)).await?;
    tx.commit().await?;
    Ok(())
}
