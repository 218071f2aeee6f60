//! An organisation's restriction has left a client nothing of what it asked for: nothing changes, but webhooks are told.

use super::Context;
use super::announce::announce;
use super::offer_scopes::{Asking, parties};
use crate::db::DbError;
use crate::oauth::event::{Event, Outcome};
use crate::oauth::scope::ScopeSet;

/// In a transaction of its own, since a refusal stores nothing. How often is for the caller to bound.
pub async fn tell_of_hit(context: &Context, asking: Asking<'_>, withheld: &ScopeSet) -> Result<(), DbError> {
    super::again_after_conflict(context, || tell(context, asking, withheld)).await
}

async fn tell(context: &Context, asking: Asking<'_>, withheld: &ScopeSet) -> Result<(), DbError> {
    let (client, user) = parties(asking.client, asking.user);
    let hit = Event::RestrictionHit { org_id: asking.org_id, client, user, withheld, outcome: Outcome::Refused };
    let mut tx = context.db.begin().await?;
    announce(context, &mut tx, &[hit]).await?;
    tx.commit().await
}
