//! Creates an organization.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::orgs;
use crate::rules::id::OrgId;

#[derive(Debug, thiserror::Error)]
pub enum CreateOrgError {
    #[error("an organization name must have 1 to 100 characters and no control characters")]
    Name,
    #[error(
        "an organization named \"{0}\" already exists; `grantor org list` lists all organizations"
    )]
    Exists(String),
    #[error(transparent)]
    Db(#[from] DbError),
}

pub async fn create_org(
    context: &Context,
    name: &str,
    by: &AuditActor,
) -> Result<OrgId, CreateOrgError> {
    context.transact("org.create", |tx| Box::pin(create_in(context, tx, name, by))).await
}

/// Creates the organization as part of a larger transaction, such as a bootstrap.
pub(in crate::actions) async fn create_in(
    context: &Context,
    tx: &mut Tx,
    name: &str,
    by: &AuditActor,
) -> Result<OrgId, CreateOrgError> {
    let name = parse_name(name)?;
    let id = OrgId(context.new_id());
    match orgs::insert(&mut *tx, id, name, context.clock.now()).await {
        Err(DbError::Duplicate) => return Err(CreateOrgError::Exists(name.to_owned())),
        outcome => outcome?,
    }
    let subject = format!("org:{id}");
    let after = Some(json!({"name": name}));
    audit::record(
        context,
        tx,
        by,
        Change { org_id: id, action: "org.created", subject: &subject, before: None, after },
    )
    .await?;
    Ok(id)
}

pub(in crate::actions) fn parse_name(text: &str) -> Result<&str, CreateOrgError> {
    let name = text.trim();
    let well_formed =
        (1..=100).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if well_formed { Ok(name) } else { Err(CreateOrgError::Name) }
}
