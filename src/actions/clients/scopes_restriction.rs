//! Restricts the scopes that one client can get in an organization, previews that change, or
//! removes the restriction.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::grants::narrow_or_revoke::narrow_or_revoke;
use crate::actions::grants::revoked_grants::RevokedGrants;
use crate::actions::webhooks::publish_events::record_and_publish;
use crate::config::{Config, OnNarrow, Restriction};
use crate::db::engine::DbHandle;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::families::last_tokens;
use crate::db::grants::affected;
use crate::db::grants::affected::AffectedGrants;
use crate::db::grants::named::NamedGrant;
use crate::db::orgs::org_clients;
use crate::db::{clients, grants, orgs};
use crate::rules::authorization::consent::RememberConsent;
use crate::rules::client::ClientId;
use crate::rules::id::{GrantId, OrgId};
use crate::rules::scope::catalog::ScopeCatalog;
use crate::rules::scope::offered::Excess;
use crate::rules::scope::offered::ScopeLimits;
use crate::rules::scope::scopes_restriction::{
    RestrictionChange, ScopesRestriction, ceiling, state_digest,
};
use crate::rules::scope::{ScopeSet, ScopeToken};
use crate::rules::timestamp::Timestamp;
use crate::rules::webhook::event::{Ceilings, ClientInfo, Event, RevocationCause};

#[derive(Debug, thiserror::Error)]
pub enum RestrictScopesError {
    #[error("there is no such client")]
    NoSuchClient,
    /// The state is not the one that the preview was made for.
    #[error("the restriction has changed since the preview")]
    Moved,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The effect of a restriction, or of its preview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restricted {
    pub change: RestrictionChange,
    /// Identifies the state before the change.
    pub digest: String,
    /// The grants that hold a removed scope.
    pub affected: AffectedGrants,
    /// Number of them that are revoked. The others lose only the removed scopes.
    pub ended: u64,
    /// APIs that only check signatures may accept access tokens with a removed scope until then.
    pub last_token_ends_at: Option<Timestamp>,
}

/// The settings that decide what a restriction allows and what it does to existing grants.
#[derive(Clone, Copy, Debug)]
pub struct RestrictionRules<'a> {
    pub catalog: &'a Arc<ScopeCatalog>,
    pub required: &'a ScopeSet,
    pub on_excess: Excess,
    pub on_narrow: OnNarrow,
    pub remember: RememberConsent,
    /// The audience of a token without a resource.
    pub issuer: &'a str,
}

impl<'a> RestrictionRules<'a> {
    pub fn limits(&self) -> ScopeLimits<'a> {
        ScopeLimits { catalog: self.catalog, required: self.required, configured: None }
    }

    pub fn of(config: &'a Config, catalog: &'a Arc<ScopeCatalog>, required: &'a ScopeSet) -> Self {
        let Restriction { on_excess, on_narrow, .. } = config.restriction;
        let (remember, issuer) = (config.consent.remember, config.http.public_url.as_str());
        Self { catalog, required, on_excess, on_narrow, remember, issuer }
    }
}

/// The new restriction of a client in an organization.
#[derive(Clone, Copy, Debug)]
pub struct NewRestriction<'a> {
    pub org_id: OrgId,
    pub client_id: ClientId,
    /// `None` removes the restriction.
    pub restriction: Option<&'a ScopesRestriction>,
    pub rules: RestrictionRules<'a>,
}

/// What the organization allows the client before the change.
struct Before {
    restriction: Option<ScopesRestriction>,
    defaults: Option<ScopeSet>,
}

/// Returns what [`restrict_scopes`] would do now. Stores nothing.
pub async fn preview_restriction(
    context: &Context,
    new: NewRestriction<'_>,
) -> Result<Restricted, RestrictScopesError> {
    let NewRestriction { org_id, client_id, rules, .. } = new;
    let restriction = org_clients::find_restriction(&context.db, org_id, client_id)
        .await?
        .ok_or(RestrictScopesError::NoSuchClient)?;
    let before = Before { restriction, defaults: find_defaults(&context.db, org_id).await? };
    let (change, digest) = new.effect(&before);
    let affected = affected::find(&context.db, org_id, client_id, &change.scopes_removed).await?;
    let ended = match rules.on_narrow {
        OnNarrow::Revoke => affected.grants,
        OnNarrow::NarrowGrants => affected.without_other_scopes,
    };
    let ids = affected_grants(&context.db, new, &change.scopes_removed).await?;
    let last_token_ends_at = last_tokens::latest_end(&context.db, &ids).await?;
    Ok(Restricted { change, digest, affected, ended, last_token_ends_at })
}

/// Replaces the restriction. With `if_digest`, fails unless the state still has this digest.
pub async fn restrict_scopes(
    context: &Context,
    new: NewRestriction<'_>,
    if_digest: Option<&str>,
    by: &AuditActor,
) -> Result<Restricted, RestrictScopesError> {
    context
        .transact("client.restrict", |tx| {
            Box::pin(async move {
                let before = Before::lock(context, tx, new.org_id, new.client_id).await?;
                let (_, digest) = new.effect(&before);
                if if_digest.is_some_and(|named| !named.eq_ignore_ascii_case(&digest)) {
                    return Err(RestrictScopesError::Moved);
                }
                store(context, tx, new, &before, by).await
            })
        })
        .await
}

/// Removes the restriction. Without one, this changes nothing and succeeds.
pub async fn lift_restriction(
    context: &Context,
    rules: RestrictionRules<'_>,
    org_id: OrgId,
    client_id: ClientId,
    by: &AuditActor,
) -> Result<(), RestrictScopesError> {
    let new = NewRestriction { org_id, client_id, restriction: None, rules };
    match org_clients::find_restriction(&context.db, org_id, client_id).await? {
        None => Err(RestrictScopesError::NoSuchClient),
        Some(None) => Ok(()),
        Some(Some(_)) => {
            context
                .transact("client.lift_restriction", |tx| {
                    Box::pin(async move {
                        let before = Before::lock(context, tx, org_id, client_id).await?;
                        if before.restriction.is_none() {
                            // Another request removed it in the meantime.
                            return Ok(());
                        }
                        store(context, tx, new, &before, by).await.map(drop)
                    })
                })
                .await
        }
    }
}

/// Stores the new state and removes the scopes that it no longer allows from the grants. Lifting a
/// restriction can remove scopes too, since the defaults of the organization may allow less.
async fn store(
    context: &Context,
    tx: &mut Tx,
    new: NewRestriction<'_>,
    before: &Before,
    by: &AuditActor,
) -> Result<Restricted, RestrictScopesError> {
    let NewRestriction { org_id, client_id, restriction: after, rules } = new;
    let (change, digest) = new.effect(before);
    let removed = &change.scopes_removed;
    let affected = affected::find(&mut *tx, org_id, client_id, removed).await?;
    let (mut revoked, mut last_token_ends_at) = (Vec::new(), None);
    if affected.grants > 0 {
        let ids = affected_grants(&mut *tx, new, removed).await?;
        revoked = narrow_or_revoke(tx, &ids, rules.on_narrow, removed, context.clock.now()).await?;
        last_token_ends_at = last_tokens::latest_end(&mut *tx, &ids).await?;
    }
    let name = org_clients::update_restriction(&mut *tx, org_id, client_id, after).await?;
    clients::adopt(&mut *tx, client_id, context.clock.now()).await?;
    let client = ClientInfo { id: client_id, name: &name };
    let ceilings = Ceilings::Client { client, before: before.restriction.as_ref(), after };
    let changed =
        ChangedCeilings { org_id, ceilings, narrowed: affected.grants, revoked: &revoked };
    publish_change(context, tx, changed, by).await?;
    Ok(Restricted { change, digest, affected, ended: revoked.len() as u64, last_token_ends_at })
}

async fn find_defaults(db: impl DbHandle, org_id: OrgId) -> Result<Option<ScopeSet>, DbError> {
    Ok(orgs::find(db, org_id).await?.and_then(|org| org.default_client_scopes))
}

async fn affected_grants(
    db: impl DbHandle,
    new: NewRestriction<'_>,
    removed: &ScopeSet,
) -> Result<Vec<GrantId>, DbError> {
    let found = grants::ids::with_any_scope(db, new.org_id, new.client_id, removed).await?;
    Ok(found.into_iter().map(|(id, _)| id).collect())
}

impl Before {
    async fn lock(
        context: &Context,
        tx: &mut Tx,
        org_id: OrgId,
        client_id: ClientId,
    ) -> Result<Self, RestrictScopesError> {
        let restriction = match org_clients::lock(tx, org_id, client_id, context.clock.now()).await
        {
            Err(DbError::Reference) => return Err(RestrictScopesError::NoSuchClient),
            outcome => outcome?,
        };
        Ok(Self { restriction, defaults: find_defaults(tx, org_id).await? })
    }
}

impl NewRestriction<'_> {
    /// Returns the change, and the digest that identifies the state before it.
    fn effect(&self, before: &Before) -> (RestrictionChange, String) {
        let RestrictionRules { required, catalog, .. } = self.rules;
        let ceiling =
            |restriction| ceiling(restriction, before.defaults.as_ref(), required, catalog);
        let restriction = before.restriction.as_ref();
        let digest = state_digest(self.org_id, self.client_id, restriction, &ceiling(restriction));
        (RestrictionChange::between(&ceiling(restriction), &ceiling(self.restriction)), digest)
    }
}

/// A change of what an organization allows, and the grants that it affected.
pub(in crate::actions) struct ChangedCeilings<'a> {
    pub org_id: OrgId,
    pub ceilings: Ceilings<'a>,
    /// Number of grants that hold less now, including the revoked ones.
    pub narrowed: u64,
    pub revoked: &'a [NamedGrant],
}

/// Records and publishes the change, as the last step of the transaction.
pub(in crate::actions) async fn publish_change(
    context: &Context,
    tx: &mut Tx,
    changed: ChangedCeilings<'_>,
    by: &AuditActor,
) -> Result<(), DbError> {
    let ChangedCeilings { org_id, ceilings, narrowed, revoked } = changed;
    let (subject, action, before, mut after) = match ceilings {
        Ceilings::Client { client, before, after } => {
            let action = if after.is_some() {
                "scopes_restriction.set"
            } else {
                "scopes_restriction.lifted"
            };
            (format!("client:{}", client.id), action, as_json(before), as_json(after))
        }
        Ceilings::Defaults { before, after } => {
            let as_json = |scopes| json!({"default_client_scopes": scopes});
            (
                format!("org:{org_id}"),
                "org.default_client_scopes_set",
                as_json(before),
                as_json(after),
            )
        }
    };
    // Setting the same state again is audited, but not published.
    let is_changed = before != after;
    if narrowed > 0 {
        after["grants_narrowed"] = json!(narrowed);
    }
    let revoked = RevokedGrants::of(context, revoked, RevocationCause::RestrictionChanged, by);
    let mut changes = revoked.changes();
    changes.push(Change {
        org_id,
        action,
        subject: &subject,
        before: Some(before),
        after: Some(after),
    });
    let actor = by.actor.name();
    let changed =
        Event::RestrictionChanged { org_id, ceilings, grants_narrowed: narrowed, actor: &actor };
    let events: Vec<_> =
        is_changed.then_some(changed).into_iter().chain(revoked.events()).collect();
    record_and_publish(context, tx, by, changes, &events).await
}

fn as_json(restriction: Option<&ScopesRestriction>) -> Value {
    let names = |list: &[ScopeToken]| {
        list.iter().map(ScopeToken::as_str).map(Value::from).collect::<Vec<_>>()
    };
    let lists = restriction.map(|restriction| {
        json!({
            "oidc_scopes": names(restriction.oidc_scopes()),
            "permission_scopes": names(restriction.permission_scopes()),
        })
    });
    json!({"scopes_restriction": lists})
}
