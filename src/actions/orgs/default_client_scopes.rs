//! Sets the scopes that clients without a restriction of their own can get in an organization.
//! Scopes that users granted beyond them are removed in the same transaction, as with a
//! restriction.

use std::collections::BTreeSet;

use crate::actions::audit::AuditActor;
use crate::actions::clients::scopes_restriction::{ChangedCeilings, Restricted, publish_change};
use crate::actions::context::Context;
use crate::actions::grants::narrow_or_revoke::narrow_or_revoke;
use crate::config::{Config, OnNarrow};
use crate::db::engine::DbHandle;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::families::last_tokens;
use crate::db::grants::affected;
use crate::db::grants::affected::AffectedGrants;
use crate::db::grants::named::NamedGrant;
use crate::db::orgs::org_clients;
use crate::db::{authorizations, grants, orgs};
use crate::rules::client::ClientId;
use crate::rules::id::OrgId;
use crate::rules::scope::catalog::ScopeCatalog;
use crate::rules::scope::scopes_restriction::{RestrictionChange, ceiling, defaults_digest};
use crate::rules::scope::{ScopeSet, ScopeToken};
use crate::rules::timestamp::Timestamp;
use crate::rules::webhook::event::Ceilings;

#[derive(Debug, thiserror::Error)]
pub enum SetDefaultsError {
    #[error("\"{0}\" is not a scope of the catalog")]
    UnknownScope(ScopeToken),
    #[error("the organization does not exist")]
    NoSuchOrg,
    /// The state is not the one that the preview was made for.
    #[error("the default has changed since the preview")]
    Moved,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The new default of an organization, with the settings that decide its effect.
#[derive(Clone, Copy, Debug)]
pub struct NewDefaults<'a> {
    pub org_id: OrgId,
    /// `None` removes the limit.
    pub scopes: Option<&'a ScopeSet>,
    pub config: &'a Config,
    pub catalog: &'a ScopeCatalog,
}

/// Returns what [`restrict_by_default`] would do now. Stores nothing.
pub async fn preview_default_restriction(
    context: &Context,
    new: NewDefaults<'_>,
) -> Result<Restricted, SetDefaultsError> {
    new.check()?;
    let before = orgs::find(&context.db, new.org_id).await?.ok_or(SetDefaultsError::NoSuchOrg)?;
    let (mut ended, mut users, mut ids) = (0, BTreeSet::new(), Vec::new());
    for client_id in new.affected_clients(&context.db).await? {
        let exceeding = new.exceeding(client_id);
        let affected = affected::find(&context.db, new.org_id, client_id, &exceeding).await?;
        if affected.grants == 0 {
            continue;
        }
        ended += match new.config.restriction.on_narrow {
            OnNarrow::Revoke => affected.grants,
            OnNarrow::NarrowGrants => affected.without_other_scopes,
        };
        for (id, user_id) in
            grants::ids::with_any_scope(&context.db, new.org_id, client_id, &exceeding).await?
        {
            ids.push(id);
            users.insert(user_id);
        }
    }
    let last_token_ends_at = last_tokens::latest_end(&context.db, &ids).await?;
    let (grants, users) = (ids.len() as u64, users.len() as u64);
    let affected = AffectedGrants { grants, users, ..AffectedGrants::default() };
    Ok(new.effect(before.default_client_scopes.as_ref(), affected, ended, last_token_ends_at))
}

/// Replaces the default. With `if_digest`, fails unless the state still has this digest.
///
/// Locks all client rows of the organization, and then its own row. Granting a scope locks the row
/// of the client, or inserts it, which waits for the row of the organization. So later grants
/// follow the new default.
pub async fn restrict_by_default(
    context: &Context,
    new: NewDefaults<'_>,
    if_digest: Option<&str>,
    by: &AuditActor,
) -> Result<Restricted, SetDefaultsError> {
    new.check()?;
    context
        .transact("org.restrict_by_default", |tx| {
            Box::pin(async move {
                let org_id = new.org_id;
                org_clients::lock_all(tx, org_id).await?;
                let before = orgs::lock(tx, org_id).await?.ok_or(SetDefaultsError::NoSuchOrg)?;
                let before = before.default_client_scopes.as_ref();
                if if_digest.is_some_and(|named| {
                    !named.eq_ignore_ascii_case(&defaults_digest(org_id, before, new.catalog))
                }) {
                    return Err(SetDefaultsError::Moved);
                }
                orgs::update_default_client_scopes(&mut *tx, org_id, new.scopes).await?;
                let removed = remove_exceeding_scopes(context, tx, new).await?;
                let ceilings = Ceilings::Defaults { before, after: new.scopes };
                let changed = ChangedCeilings {
                    org_id,
                    ceilings,
                    narrowed: removed.grants,
                    revoked: &removed.ended,
                };
                publish_change(context, tx, changed, by).await?;
                let affected = AffectedGrants {
                    grants: removed.grants,
                    users: removed.users,
                    ..AffectedGrants::default()
                };
                Ok(new.effect(
                    before,
                    affected,
                    removed.ended.len() as u64,
                    removed.last_token_ends_at,
                ))
            })
        })
        .await
}

struct RemovedScopes {
    /// Number of grants that hold less now, including the revoked ones.
    grants: u64,
    users: u64,
    ended: Vec<NamedGrant>,
    last_token_ends_at: Option<Timestamp>,
}

/// Works client by client, since each client may have its own required scopes.
async fn remove_exceeding_scopes(
    context: &Context,
    tx: &mut Tx,
    new: NewDefaults<'_>,
) -> Result<RemovedScopes, DbError> {
    let (mut all, mut users, mut ended) = (Vec::new(), BTreeSet::new(), Vec::new());
    let on_narrow = new.config.restriction.on_narrow;
    for client_id in new.affected_clients(&mut *tx).await? {
        let exceeding = new.exceeding(client_id);
        let found =
            grants::ids::with_any_scope(&mut *tx, new.org_id, client_id, &exceeding).await?;
        let (ids, users_of_client): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        users.extend(users_of_client);
        let now = context.clock.now();
        ended.extend(narrow_or_revoke(&mut *tx, &ids, on_narrow, &exceeding, now).await?);
        all.extend(ids);
    }
    let last_token_ends_at = last_tokens::latest_end(tx, &all).await?;
    let (grants, users) = (all.len() as u64, users.len() as u64);
    Ok(RemovedScopes { grants, users, ended, last_token_ends_at })
}

impl NewDefaults<'_> {
    fn check(&self) -> Result<(), SetDefaultsError> {
        let is_unknown = |name: &&ScopeToken| self.catalog.find(name.as_str()).is_none();
        match self.scopes.into_iter().flat_map(ScopeSet::iter).find(is_unknown) {
            Some(unknown) => Err(SetDefaultsError::UnknownScope(unknown.clone())),
            None => Ok(()),
        }
    }

    /// Removing the default does not affect any grant.
    async fn affected_clients(&self, db: impl DbHandle) -> Result<Vec<ClientId>, DbError> {
        match self.scopes {
            Some(_) => authorizations::list_unrestricted_clients(db, self.org_id).await,
            None => Ok(Vec::new()),
        }
    }

    /// Returns the scopes that the client can no longer have.
    fn exceeding(&self, client_id: ClientId) -> ScopeSet {
        let required =
            self.config.restriction.required_of(client_id.uuid()).cloned().unwrap_or_default();
        let allowed = ceiling(None, self.scopes, &required, self.catalog);
        ceiling(None, None, &required, self.catalog).difference(&allowed)
    }

    fn effect(
        &self,
        before: Option<&ScopeSet>,
        affected: AffectedGrants,
        ended: u64,
        last_token_ends_at: Option<Timestamp>,
    ) -> Restricted {
        let ceiling = |defaults| ceiling(None, defaults, &ScopeSet::default(), self.catalog);
        Restricted {
            change: RestrictionChange::between(&ceiling(before), &ceiling(self.scopes)),
            digest: defaults_digest(self.org_id, before, self.catalog),
            affected,
            ended,
            last_token_ends_at,
        }
    }
}
