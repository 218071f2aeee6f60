//! What clients may get in an organisation that has not restricted them one by one.

use serde_json::{Value, json};

use super::audit::{self, Change};
use super::{By, Context};
use crate::db::{DbError, orgs};
use crate::oauth::OrgId;
use crate::oauth::scope::{ScopeSet, ScopeToken};
use crate::oauth::scope_catalogue::ScopeCatalogue;

#[derive(Debug, thiserror::Error)]
pub enum SetDefaultsError {
    #[error("\"{0}\" is no scope of the catalogue")]
    UnknownScope(ScopeToken),
    #[error("the organisation does not exist")]
    NoSuchOrg,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// `None` lifts the bound.
pub async fn set_default_client_scopes(
    context: &Context,
    org_id: OrgId,
    scopes: Option<&ScopeSet>,
    catalogue: &ScopeCatalogue,
    by: &By,
) -> Result<(), SetDefaultsError> {
    if let Some(unknown) =
        scopes.into_iter().flat_map(ScopeSet::iter).find(|name| catalogue.find(name.as_str()).is_none())
    {
        return Err(SetDefaultsError::UnknownScope(unknown.clone()));
    }
    let mut tx = context.db.begin().await?;
    let before = orgs::lock(&mut tx, org_id).await?.ok_or(SetDefaultsError::NoSuchOrg)?;
    orgs::update_default_client_scopes(&mut tx, org_id, scopes).await?;
    let subject = format!("org:{org_id}");
    let change = Change {
        org_id,
        action: "org.default_client_scopes_set",
        subject: &subject,
        before: Some(shown(before.default_client_scopes.as_ref())),
        after: Some(shown(scopes)),
    };
    audit::record(context, &mut tx, by, change).await?;
    tx.commit().await?;
    Ok(())
}

fn shown(scopes: Option<&ScopeSet>) -> Value {
    json!({"default_client_scopes": scopes})
}
