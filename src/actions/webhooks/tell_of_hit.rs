//! An organisation's restriction has left a client nothing of what it asked for: nothing changes, but webhooks are told.

use crate::actions::authorize::offer_scopes::{Asking, parties};
use crate::actions::context::Context;
use crate::actions::webhooks::announce::announce;
use crate::db::engine::error::DbError;
use crate::rules::scope::ScopeSet;
use crate::rules::webhook::event::{Event, Outcome};

/// In a transaction of its own, since a refusal stores nothing. How often is for the caller to bound.
pub async fn tell_of_hit(context: &Context, asking: Asking<'_>, withheld: &ScopeSet) -> Result<(), DbError> {
    crate::actions::conflict::again_after_conflict(context, || tell(context, asking, withheld)).await
}

async fn tell(context: &Context, asking: Asking<'_>, withheld: &ScopeSet) -> Result<(), DbError> {
    let (client, user) = parties(asking.client, asking.user);
    let hit = Event::RestrictionHit { org_id: asking.org_id, client, user, withheld, outcome: Outcome::Refused };
    let mut tx = context.db.begin().await?;
    announce(context, &mut tx, &[hit]).await?;
    tx.commit().await
}
