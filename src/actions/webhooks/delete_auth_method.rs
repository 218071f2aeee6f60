//! Deletes an auth method that no webhook uses.

use crate::actions::audit::AuditActor;
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
    let deleted = context
        .transact("auth_method.delete", |tx| {
            Box::pin(async move {
                orgs::lock_for_change(tx, org_id).await?;
                let method = auth_methods::lock(tx, org_id, id).await?.ok_or(AuthMethodError::NoSuchMethod)?;
                auth_methods::delete(&mut *tx, org_id, id).await?;
                Ok(record(context, tx, by, &method, "auth_method.deleted", (Some(audited(&method)), None)).await?)
            })
        })
        .await;
    match deleted {
        Err(AuthMethodError::Db(DbError::Reference)) => {
            Err(AuthMethodError::InUse(auth_methods::list_webhooks(&context.db, id).await?))
        }
        outcome => outcome,
    }
}
