//! An organisation limits what one client may ever get, looks at what that would do, or lifts the limit again.

use std::time::Duration;

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
    again_after_conflict(context, || replace(context, bounds, org_id, client_id, restriction, if_digest, by)).await
}

async fn replace(
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
        None => Err(RestrictScopesError::NoSuchClient),
        Some(None) => Ok(()),
        Some(Some(_)) => again_after_conflict(context, || lift(context, org_id, client_id, by)).await,
    }
}

async fn lift(context: &Context, org_id: OrgId, client_id: ClientId, by: &By) -> Result<(), RestrictScopesError> {
    let mut tx = context.db.begin().await?;
    let before = lock(context, &mut tx, org_id, client_id).await?;
    if before.is_none() {
        // Somebody else lifted it meanwhile.
        return Ok(tx.roll_back().await?);
    }
    store(context, &mut tx, (org_id, client_id), before.as_ref(), None, by).await?;
    tx.commit().await?;
    Ok(())
}

/// Where another transaction was in the way, the database has undone this one whole, so it may simply run again: up to
/// three times, and not once the caller has waited for a second.
async fn again_after_conflict<T, F: Future<Output = Result<T, RestrictScopesError>>>(
    context: &Context,
    work: impl Fn() -> F,
) -> Result<T, RestrictScopesError> {
    const ATTEMPTS: u32 = 3;
    const PATIENCE: Duration = Duration::from_secs(1);
    let began = context.clock.elapsed();
    let mut attempt = 1;
    loop {
        let outcome = work().await;
        let met_another = matches!(outcome, Err(RestrictScopesError::Db(DbError::Conflict(_))));
        let waited = context.clock.elapsed().saturating_sub(began);
        if !met_another || attempt == ATTEMPTS || waited >= PATIENCE {
            return outcome;
        }
        attempt += 1;
    }
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::clock::{Clock, Hand};
    use crate::db::{Db, Location, Target};
    use crate::oauth::Timestamp;
    use crate::secret::Random;

    /// Nothing here reaches the database.
    fn context() -> (Context, Hand) {
        let (clock, hand) = Clock::by_hand(Timestamp::from_seconds(0));
        let target = Target {
            location: Location::Sqlite { path: "/dev/null".into() },
            max_connections: 1,
            acquire_timeout: Duration::from_secs(1),
            query_timeout: Duration::from_secs(1),
        };
        let db = Db::open(&target).expect("opens without connecting");
        (Context { db, clock, random: Random::seeded(1) }, hand)
    }

    async fn attempts(succeeds_at: u32, each_takes: Duration) -> (u32, bool) {
        let (context, hand) = context();
        let made = Cell::new(0);
        let outcome = again_after_conflict(&context, || async {
            made.set(made.get() + 1);
            hand.advance(each_takes);
            match made.get() == succeeds_at {
                true => Ok(()),
                false => Err(DbError::Conflict(sqlx::Error::PoolTimedOut).into()),
            }
        });
        let succeeded = outcome.await.is_ok();
        (made.get(), succeeded)
    }

    #[tokio::test]
    async fn a_change_that_met_another_one_runs_again_but_not_for_ever() {
        assert_eq!(attempts(1, Duration::ZERO).await, (1, true));
        assert_eq!(attempts(3, Duration::ZERO).await, (3, true));
        assert_eq!(attempts(4, Duration::ZERO).await, (3, false));
    }

    #[tokio::test]
    async fn a_caller_who_has_waited_for_a_second_waits_no_longer() {
        assert_eq!(attempts(2, Duration::from_secs(1)).await, (1, false));
    }
}
