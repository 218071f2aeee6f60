//! Publishes that the restriction of an organization withheld every scope that a client requested.

use crate::actions::authorize::offer_scopes::{ConsentRequest, client_and_user_info};
use crate::actions::context::Context;
use crate::actions::webhooks::publish_events::publish_events;
use crate::db::engine::error::DbError;
use crate::rules::scope::ScopeSet;
use crate::rules::webhook::event::{Event, Outcome};

/// Uses its own transaction, since a refusal stores nothing else. The caller limits how often this
/// runs.
pub async fn report_restriction_hit(
    context: &Context,
    consent: ConsentRequest<'_>,
    withheld: &ScopeSet,
) -> Result<(), DbError> {
    context
        .transact("restriction.report_hit", |tx| {
            Box::pin(async move {
                let (client, user) = client_and_user_info(consent.client, consent.user);
                let org_id = consent.org_id;
                let hit = Event::RestrictionHit {
                    org_id,
                    client,
                    user,
                    withheld,
                    outcome: Outcome::Refused,
                };
                publish_events(context, tx, &[hit]).await
            })
        })
        .await
}
