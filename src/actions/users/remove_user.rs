//! Removes a person with all that is theirs, as nobody does but who made them for a moment: people who were here for longer
//! are disabled, so that what they did can still be told.

use crate::actions::audit::{By, Change};
use crate::actions::conflict::again_after_conflict;
use crate::actions::context::Context;
use crate::actions::grants::end::Ended;
use crate::actions::webhooks::announce::record_and_announce;
use crate::db::engine::error::DbError;
use crate::db::grants::end;
use crate::db::orgs::org_clients;
use crate::db::{clients, grants, users};
use crate::rules::client::ClientId;
use crate::rules::id::{GrantId, OrgId, UserId};
use crate::rules::webhook::event::Ending;

/// And the organisation's row about a client that came with them, where nothing was decided in it.
pub async fn remove_user(
    context: &Context,
    org_id: OrgId,
    user_id: UserId,
    client_id: Option<ClientId>,
    by: &By,
) -> Result<(), DbError> {
    again_after_conflict(context, || remove(context, org_id, user_id, client_id, by)).await
}

async fn remove(
    context: &Context,
    org_id: OrgId,
    user_id: UserId,
    client_id: Option<ClientId>,
    by: &By,
) -> Result<(), DbError> {
    let mut tx = context.db.begin().await?;
    // So that nothing more is granted by them.
    users::lock_enabled(&mut tx, user_id).await?;
    let ids: Vec<GrantId> = grants::ids_of_user(&mut tx, user_id).await?.into_iter().map(|(id, _)| id).collect();
    let ended = end::end(&mut tx, &ids, context.clock.now()).await?;
    users::delete(&mut tx, user_id).await?;
    let subject = format!("user:{user_id}");
    let change = Change { org_id, action: "user.removed", subject: &subject, before: None, after: None };
    let events = Ended::of(context, &ended, Ending::UserRemoved, by);
    record_and_announce(context, &mut tx, by, vec![change], &events.events()).await?;
    tx.commit().await?;
    match client_id {
        Some(client_id) => forget(context, org_id, client_id).await,
        None => Ok(()),
    }
}

/// Somebody else may have begun to use it a moment ago: then it is theirs, and stays.
async fn forget(context: &Context, org_id: OrgId, client_id: ClientId) -> Result<(), DbError> {
    match org_clients::delete_undecided(&context.db, org_id, client_id).await {
        Ok(false) | Err(DbError::Reference) => Ok(()),
        Ok(true) => clients::abandon(&context.db, client_id).await,
        Err(error) => Err(error),
    }
}
