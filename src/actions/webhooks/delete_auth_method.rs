//! Deletes an auth method that no webhook uses.

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::webhooks::create_auth_method::{AuthMethodError, recorded, subject};
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
                let method = auth_methods::lock(tx, org_id, id)
                    .await?
                    .ok_or(AuthMethodError::NoSuchMethod)?;
                auth_methods::delete(&mut *tx, org_id, id).await?;
                let (subject, before) = (subject(&method), Some(recorded(&method)));
                let change = Change {
                    org_id,
                    action: "auth_method.deleted",
                    subject: &subject,
                    before,
                    after: None,
                };
                Ok(audit::record(context, tx, by, change).await?)
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
