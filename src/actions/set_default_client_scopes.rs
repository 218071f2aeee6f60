//! What clients may get in an organisation that has not restricted them one by one. What users have given such clients
//! beyond it is taken back in the same transaction, as by a narrower restriction.

use super::conflict::again_after_conflict;
use super::end_grants::take_in;
use super::restrict_scopes::tell;
use super::{By, Context};
use crate::config::{Config, OnNarrow};
use crate::db::grants::{self, NamedGrant};
use crate::db::{DbError, Tx, authorizations, org_clients, orgs};
use crate::oauth::event::Ceilings;
use crate::oauth::scope::{ScopeSet, ScopeToken};
use crate::oauth::scope_catalog::ScopeCatalog;
use crate::oauth::scopes_restriction::ceiling;
use crate::oauth::{OrgId, Timestamp};

#[derive(Debug, thiserror::Error)]
pub enum SetDefaultsError {
    #[error("\"{0}\" is no scope of the catalog")]
    UnknownScope(ScopeToken),
    #[error("the organisation does not exist")]
    NoSuchOrg,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// `None` lifts the bound. Returns how many grants held more than it allows, which have ended or hold less now.
pub async fn set_default_client_scopes(
    context: &Context,
    org_id: OrgId,
    scopes: Option<&ScopeSet>,
    config: &Config,
    catalog: &ScopeCatalog,
    by: &By,
) -> Result<usize, SetDefaultsError> {
    let unknown = scopes.into_iter().flat_map(ScopeSet::iter).find(|name| catalog.find(name.as_str()).is_none());
    if let Some(unknown) = unknown {
        return Err(SetDefaultsError::UnknownScope(unknown.clone()));
    }
    again_after_conflict(context, || replace(context, org_id, scopes, config, catalog, by)).await
}

/// Whoever gives a grant reads the bound after it took the row of organisation and client, or made it, which waits for the
/// organisation's. So all of these are taken first: what is given later is given by the new bound.
async fn replace(
    context: &Context,
    org_id: OrgId,
    scopes: Option<&ScopeSet>,
    config: &Config,
    catalog: &ScopeCatalog,
    by: &By,
) -> Result<usize, SetDefaultsError> {
    let mut tx = context.db.begin().await?;
    org_clients::lock_all(&mut tx, org_id).await?;
    let before = orgs::lock(&mut tx, org_id).await?.ok_or(SetDefaultsError::NoSuchOrg)?;
    orgs::update_default_client_scopes(&mut tx, org_id, scopes).await?;
    let now = context.clock.now();
    let (narrowed, ended) = take_what_exceeds(&mut tx, org_id, scopes, config, catalog, now).await?;
    let ceilings = Ceilings::Defaults { before: before.default_client_scopes.as_ref(), after: scopes };
    tell(context, &mut tx, org_id, ceilings, (narrowed, &ended), by).await?;
    tx.commit().await?;
    Ok(narrowed.try_into().unwrap_or(usize::MAX))
}

/// Client by client, since each may have scopes that it requires. How many grants hold less now, and those that ended.
async fn take_what_exceeds(
    tx: &mut Tx,
    org_id: OrgId,
    scopes: Option<&ScopeSet>,
    config: &Config,
    catalog: &ScopeCatalog,
    now: Timestamp,
) -> Result<(u64, Vec<NamedGrant>), DbError> {
    let (mut narrowed, mut ended) = (0, Vec::new());
    if scopes.is_none() {
        return Ok((narrowed, ended));
    }
    let on_narrow: OnNarrow = config.restriction.on_narrow;
    for client_id in authorizations::list_unrestricted_clients(&mut *tx, org_id).await? {
        let required = config.restriction.required_of(client_id.uuid()).cloned().unwrap_or_default();
        let allowed = ceiling(None, scopes, &required, catalog);
        let exceeding = ceiling(None, None, &required, catalog).difference(&allowed);
        let ids = grants::ids_with_any_scope(&mut *tx, org_id, client_id, &exceeding).await?;
        ended.extend(take_in(&mut *tx, &ids, (on_narrow, &exceeding), now).await?);
        narrowed += ids.len() as u64;
    }
    Ok((narrowed, ended))
}
