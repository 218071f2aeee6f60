//! The scopes that clients may get in an organization that has not restricted them one by one. What users granted such
//! clients beyond it is taken back in the same transaction, as by a narrower restriction.

use std::collections::BTreeSet;

use crate::actions::audit::By;
use crate::actions::clients::restrict_scopes::{Restricted, tell};
use crate::actions::conflict::again_after_conflict;
use crate::actions::context::Context;
use crate::actions::grants::end::take_in;
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
use crate::rules::scope::restriction::{RestrictionChange, ceiling, defaults_digest};
use crate::rules::scope::{ScopeSet, ScopeToken};
use crate::rules::timestamp::Timestamp;
use crate::rules::webhook::event::Ceilings;

#[derive(Debug, thiserror::Error)]
pub enum SetDefaultsError {
    #[error("\"{0}\" is no scope of the catalog")]
    UnknownScope(ScopeToken),
    #[error("the organization does not exist")]
    NoSuchOrg,
    /// The state is not the one that the named preview looked at.
    #[error("the default has changed since the preview")]
    Moved,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The new default of an organization, and what it is judged by.
#[derive(Clone, Copy, Debug)]
pub struct NewDefaults<'a> {
    pub org_id: OrgId,
    /// `None` lifts the bound.
    pub scopes: Option<&'a ScopeSet>,
    pub config: &'a Config,
    pub catalog: &'a ScopeCatalog,
}

/// Returns how many grants held more than the new default allows, which ended or hold less now.
pub async fn set_default_client_scopes(
    context: &Context,
    org_id: OrgId,
    scopes: Option<&ScopeSet>,
    config: &Config,
    catalog: &ScopeCatalog,
    by: &By,
) -> Result<usize, SetDefaultsError> {
    let new = NewDefaults { org_id, scopes, config, catalog };
    let done = restrict_by_default(context, new, None, by).await?;
    Ok(done.affected.grants.try_into().unwrap_or(usize::MAX))
}

/// What [`restrict_by_default`] would do now. Stores nothing.
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
        users.extend(grants::users_with_any_scope(&context.db, new.org_id, client_id, &exceeding).await?);
        ids.extend(grants::ids_with_any_scope(&context.db, new.org_id, client_id, &exceeding).await?);
    }
    let last_token_ends_at = last_tokens::latest_end(&context.db, &ids).await?;
    let (grants, users) = (ids.len() as u64, users.len() as u64);
    let affected = AffectedGrants { grants, users, ..AffectedGrants::default() };
    Ok(new.effect(before.default_client_scopes.as_ref(), affected, ended, last_token_ends_at))
}

/// Replaces the default. With `if_digest`, only if the state is still the one that a preview named so.
pub async fn restrict_by_default(
    context: &Context,
    new: NewDefaults<'_>,
    if_digest: Option<&str>,
    by: &By,
) -> Result<Restricted, SetDefaultsError> {
    new.check()?;
    again_after_conflict(context, || replace(context, new, if_digest, by)).await
}

/// A grant is given after its row of organization and client was locked, or made, which waits for the organization's row.
/// So all of these are locked first: what is granted later is granted by the new default.
async fn replace(
    context: &Context,
    new: NewDefaults<'_>,
    if_digest: Option<&str>,
    by: &By,
) -> Result<Restricted, SetDefaultsError> {
    let org_id = new.org_id;
    let mut tx = context.db.begin().await?;
    org_clients::lock_all(&mut tx, org_id).await?;
    let before = orgs::lock(&mut tx, org_id).await?.ok_or(SetDefaultsError::NoSuchOrg)?;
    let before = before.default_client_scopes.as_ref();
    if if_digest.is_some_and(|named| !named.eq_ignore_ascii_case(&defaults_digest(org_id, before, new.catalog))) {
        return Err(SetDefaultsError::Moved);
    }
    orgs::update_default_client_scopes(&mut tx, org_id, new.scopes).await?;
    let taken = take_what_exceeds(context, &mut tx, new).await?;
    let ceilings = Ceilings::Defaults { before, after: new.scopes };
    tell(context, &mut tx, org_id, ceilings, (taken.grants, &taken.ended), by).await?;
    tx.commit().await?;
    let affected = AffectedGrants { grants: taken.grants, users: taken.users, ..AffectedGrants::default() };
    Ok(new.effect(before, affected, taken.ended.len() as u64, taken.last_token_ends_at))
}

struct Taken {
    /// How many hold less now, those that ended included.
    grants: u64,
    users: u64,
    ended: Vec<NamedGrant>,
    last_token_ends_at: Option<Timestamp>,
}

/// Client by client, since each may have scopes that it requires.
async fn take_what_exceeds(context: &Context, tx: &mut Tx, new: NewDefaults<'_>) -> Result<Taken, DbError> {
    let (mut all, mut users, mut ended) = (Vec::new(), BTreeSet::new(), Vec::new());
    let on_narrow = new.config.restriction.on_narrow;
    for client_id in new.affected_clients(&mut *tx).await? {
        let exceeding = new.exceeding(client_id);
        users.extend(grants::users_with_any_scope(&mut *tx, new.org_id, client_id, &exceeding).await?);
        let ids = grants::ids_with_any_scope(&mut *tx, new.org_id, client_id, &exceeding).await?;
        ended.extend(take_in(&mut *tx, &ids, (on_narrow, &exceeding), context.clock.now()).await?);
        all.extend(ids);
    }
    let last_token_ends_at = last_tokens::latest_end(tx, &all).await?;
    Ok(Taken { grants: all.len() as u64, users: users.len() as u64, ended, last_token_ends_at })
}

impl NewDefaults<'_> {
    fn check(&self) -> Result<(), SetDefaultsError> {
        let is_unknown = |name: &&ScopeToken| self.catalog.find(name.as_str()).is_none();
        match self.scopes.into_iter().flat_map(ScopeSet::iter).find(is_unknown) {
            Some(unknown) => Err(SetDefaultsError::UnknownScope(unknown.clone())),
            None => Ok(()),
        }
    }

    /// A default that is lifted takes nothing from anybody.
    async fn affected_clients(&self, db: impl DbHandle) -> Result<Vec<ClientId>, DbError> {
        match self.scopes {
            Some(_) => authorizations::list_unrestricted_clients(db, self.org_id).await,
            None => Ok(Vec::new()),
        }
    }

    /// Scopes that the client may not have any more.
    fn exceeding(&self, client_id: ClientId) -> ScopeSet {
        let required = self.config.restriction.required_of(client_id.uuid()).cloned().unwrap_or_default();
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
