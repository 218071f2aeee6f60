//! An organisation limits what one client may ever get, looks at what that would do, or lifts the limit again.

use serde_json::{Value, json};

use super::audit::{self, Change};
use super::{By, Context};
use crate::db::{DbError, Tx, org_clients, orgs};
use crate::oauth::OrgId;
use crate::oauth::client::ClientId;
use crate::oauth::scope::{ScopeSet, ScopeToken};
use crate::oauth::scope_catalogue::ScopeCatalogue;
use crate::oauth::scopes_restriction::{RestrictionChange, ScopesRestriction, ceiling, state_digest};

#[derive(Debug, thiserror::Error)]
pub enum RestrictScopesError {
    #[error("there is no such client")]
    NoSuchClient,
    /// The state is not the one that the named preview looked at.
    #[error("the restriction has changed since the preview")]
    Moved,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// What a restriction does, or would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restricted {
    pub change: RestrictionChange,
    /// Names the state before.
    pub digest: String,
}

/// What a restriction is judged by, beside itself.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<'a> {
    pub catalogue: &'a ScopeCatalogue,
    pub required: &'a ScopeSet,
}

/// What [`restrict_scopes`] would do now. Stores nothing.
pub async fn preview_restriction(
    context: &Context,
    bounds: Bounds<'_>,
    org_id: OrgId,
    client_id: ClientId,
    restriction: &ScopesRestriction,
) -> Result<Restricted, RestrictScopesError> {
    let before = org_clients::find_restriction(&context.db, org_id, client_id)
        .await?
        .ok_or(RestrictScopesError::NoSuchClient)?;
    let defaults = orgs::find(&context.db, org_id).await?.and_then(|org| org.default_client_scopes);
    Ok(effect(bounds, (org_id, client_id), before.as_ref(), defaults.as_ref(), restriction))
}

/// Replaces the restriction. With `if_digest`, only where the state is still the one that a preview named so.
pub async fn restrict_scopes(
    context: &Context,
    bounds: Bounds<'_>,
    org_id: OrgId,
    client_id: ClientId,
    restriction: &ScopesRestriction,
    if_digest: Option<&str>,
    by: &By,
) -> Result<Restricted, RestrictScopesError> {
    let mut tx = context.db.begin().await?;
    let before = lock(context, &mut tx, org_id, client_id).await?;
    let defaults = orgs::find(&mut tx, org_id).await?.and_then(|org| org.default_client_scopes);
    let effect = effect(bounds, (org_id, client_id), before.as_ref(), defaults.as_ref(), restriction);
    if if_digest.is_some_and(|digest| !digest.eq_ignore_ascii_case(&effect.digest)) {
        tx.roll_back().await?;
        return Err(RestrictScopesError::Moved);
    }
    store(context, &mut tx, (org_id, client_id), before.as_ref(), Some(restriction), by).await?;
    tx.commit().await?;
    Ok(effect)
}

/// Back to full access. Lifting what is not there changes nothing and is fine.
pub async fn lift_restriction(
    context: &Context,
    org_id: OrgId,
    client_id: ClientId,
    by: &By,
) -> Result<(), RestrictScopesError> {
    match org_clients::find_restriction(&context.db, org_id, client_id).await? {
        None => return Err(RestrictScopesError::NoSuchClient),
        Some(None) => return Ok(()),
        Some(Some(_)) => {}
    }
    let mut tx = context.db.begin().await?;
    let before = lock(context, &mut tx, org_id, client_id).await?;
    store(context, &mut tx, (org_id, client_id), before.as_ref(), None, by).await?;
    tx.commit().await?;
    Ok(())
}

async fn lock(
    context: &Context,
    tx: &mut Tx,
    org_id: OrgId,
    client_id: ClientId,
) -> Result<Option<ScopesRestriction>, RestrictScopesError> {
    match org_clients::lock(tx, org_id, client_id, context.clock.now()).await {
        Err(DbError::Reference) => Err(RestrictScopesError::NoSuchClient),
        outcome => Ok(outcome?),
    }
}

async fn store(
    context: &Context,
    tx: &mut Tx,
    (org_id, client_id): (OrgId, ClientId),
    before: Option<&ScopesRestriction>,
    after: Option<&ScopesRestriction>,
    by: &By,
) -> Result<(), DbError> {
    org_clients::update_restriction(&mut *tx, org_id, client_id, after).await?;
    crate::db::clients::adopt(&mut *tx, client_id, context.clock.now()).await?;
    let subject = format!("client:{client_id}");
    let action = if after.is_some() { "scopes_restriction.set" } else { "scopes_restriction.lifted" };
    let change = Change { org_id, action, subject: &subject, before: Some(shown(before)), after: Some(shown(after)) };
    audit::record(context, tx, by, change).await
}

fn shown(restriction: Option<&ScopesRestriction>) -> Value {
    let names = |list: &[ScopeToken]| list.iter().map(ScopeToken::as_str).map(Value::from).collect::<Vec<_>>();
    let lists = restriction.map(|restriction| {
        json!({
            "oidc_scopes": names(restriction.oidc_scopes()),
            "permission_scopes": names(restriction.permission_scopes()),
        })
    });
    json!({"scopes_restriction": lists})
}

fn effect(
    bounds: Bounds<'_>,
    (org_id, client_id): (OrgId, ClientId),
    before: Option<&ScopesRestriction>,
    defaults: Option<&ScopeSet>,
    after: &ScopesRestriction,
) -> Restricted {
    let ceiling = |restriction| ceiling(restriction, defaults, bounds.required, bounds.catalogue);
    Restricted {
        change: RestrictionChange::between(&ceiling(before), &ceiling(Some(after))),
        digest: state_digest(org_id, client_id, before, &ceiling(before)),
    }
}
