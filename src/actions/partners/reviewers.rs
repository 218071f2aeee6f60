//! Names users as reviewers. Only the command line can: no role in an organization grants this.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{AuditActor, ServerChange};
use crate::actions::context::Context;
use crate::actions::partners::PartnerError;
use crate::actions::users::create_user::parse_email;
use crate::db::engine::transaction::Tx;
use crate::db::users;
use crate::db::users::{User, reviewers};

pub async fn add_reviewer(
    context: &Context,
    email: &str,
    by: &AuditActor,
) -> Result<User, PartnerError> {
    context
        .transact("reviewer.add", |tx| {
            Box::pin(async move {
                let user = find(tx, email).await?;
                if user.disabled_at.is_some() {
                    return Err(PartnerError::Disabled(user.email));
                }
                if !reviewers::add(&mut *tx, user.id, context.clock.now()).await? {
                    return Err(PartnerError::IsReviewer(user.email));
                }
                record(context, tx, "reviewer.added", &user, by).await?;
                Ok(user)
            })
        })
        .await
}

pub async fn remove_reviewer(
    context: &Context,
    email: &str,
    by: &AuditActor,
) -> Result<User, PartnerError> {
    context
        .transact("reviewer.remove", |tx| {
            Box::pin(async move {
                let user = find(tx, email).await?;
                if !reviewers::remove(&mut *tx, user.id).await? {
                    return Err(PartnerError::NotAReviewer(user.email));
                }
                record(context, tx, "reviewer.removed", &user, by).await?;
                Ok(user)
            })
        })
        .await
}

async fn find(tx: &mut Tx, email: &str) -> Result<User, PartnerError> {
    let no_such_user = || PartnerError::NoSuchUser(email.escape_debug().to_string());
    let address = parse_email(email).map_err(|_| no_such_user())?;
    users::find_by_email(&mut *tx, &address).await?.ok_or_else(no_such_user)
}

async fn record(
    context: &Context,
    tx: &mut Tx,
    action: &'static str,
    user: &User,
    by: &AuditActor,
) -> Result<(), PartnerError> {
    let subject = format!("user:{}", user.id);
    let after = Some(json!({"email": user.email}));
    let change = ServerChange { action, subject: &subject, before: None, after };
    Ok(audit::record_of_server(context, tx, by, change).await?)
}
