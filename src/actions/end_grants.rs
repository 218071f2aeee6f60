//! Ends grants, with all their tokens: a user, an operator, or the server's own operator takes back what was given.

use serde_json::json;

use super::audit::{self, Change};
use super::{By, Context};
use crate::config::OnNarrow;
use crate::db::grants::{self, Grant};
use crate::db::{DbError, Tx, org_clients};
use crate::oauth::client::ClientId;
use crate::oauth::scope::ScopeSet;
use crate::oauth::{GrantId, OrgId};

#[derive(Debug, thiserror::Error)]
pub enum EndGrantError {
    #[error("there is no such grant; `grantor grant list` shows all")]
    NoSuchGrant,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// One grant, where `mine` says that it is the caller's to end. Ending it twice is fine.
pub async fn end_grant(
    context: &Context,
    id: GrantId,
    mine: impl Fn(&Grant) -> bool,
    by: &By,
) -> Result<(), EndGrantError> {
    let found = grants::find_by_id(&context.db, id).await?;
    let grant = found.filter(mine).ok_or(EndGrantError::NoSuchGrant)?;
    super::again_after_conflict(context, || end_one(context, &grant, by)).await
}

async fn end_one(context: &Context, grant: &Grant, by: &By) -> Result<(), EndGrantError> {
    let mut tx = context.db.begin().await?;
    org_clients::lock(&mut tx, grant.org_id, grant.client_id, context.clock.now()).await?;
    let still_lives = grants::find_by_id(&mut tx, grant.id).await?.is_some_and(|grant| grant.revoked_at.is_none());
    if still_lives {
        end_in(context, &mut tx, grant.org_id, &[grant.id], by).await?;
    }
    Ok(tx.commit().await?)
}

/// As part of a larger change. Every grant is one audit event, so that a user's history is whole.
pub(super) async fn end_in(
    context: &Context,
    tx: &mut Tx,
    org_id: OrgId,
    ids: &[GrantId],
    by: &By,
) -> Result<(), DbError> {
    let now = context.clock.now();
    grants::end(&mut *tx, ids, now).await?;
    for id in ids {
        let subject = format!("grant:{id}");
        let after = Some(json!({"revoked_at": now}));
        let change = Change { org_id, action: "grant.revoked", subject: &subject, before: None, after };
        audit::record(context, &mut *tx, by, change).await?;
    }
    Ok(())
}

/// Takes scopes from grants as part of a larger change: the whole grant goes, or only they, by the setting. A grant that
/// is left with nothing goes too.
pub(super) async fn take_in(
    context: &Context,
    tx: &mut Tx,
    org_id: OrgId,
    ids: &[GrantId],
    (on_narrow, scopes): (OnNarrow, &ScopeSet),
    by: &By,
) -> Result<(), DbError> {
    if ids.is_empty() {
        return Ok(());
    }
    if on_narrow == OnNarrow::Revoke {
        return end_in(context, tx, org_id, ids, by).await;
    }
    grants::take_scopes(&mut *tx, ids, scopes, context.clock.now()).await?;
    let empty = grants::ids_without_scopes(&mut *tx, ids).await?;
    end_in(context, tx, org_id, &empty, by).await
}

#[derive(Debug, thiserror::Error)]
pub enum DisableClientError {
    #[error("there is no such client; `grantor client list` shows all")]
    NoSuchClient,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Takes a client from an organisation: every grant of it ends at once, and no new one is given. Returns how many ended.
pub async fn disable_client(
    context: &Context,
    org_id: OrgId,
    client_id: ClientId,
    by: &By,
) -> Result<usize, DisableClientError> {
    super::again_after_conflict(context, || set_disabled(context, org_id, client_id, true, by)).await
}

/// Lets users authorise the client again; what was ended stays ended.
pub async fn enable_client(
    context: &Context,
    org_id: OrgId,
    client_id: ClientId,
    by: &By,
) -> Result<(), DisableClientError> {
    super::again_after_conflict(context, || set_disabled(context, org_id, client_id, false, by)).await.map(drop)
}

async fn set_disabled(
    context: &Context,
    org_id: OrgId,
    client_id: ClientId,
    disabled: bool,
    by: &By,
) -> Result<usize, DisableClientError> {
    let now = context.clock.now();
    let mut tx = context.db.begin().await?;
    match org_clients::lock(&mut tx, org_id, client_id, now).await {
        Err(DbError::Reference) => return Err(DisableClientError::NoSuchClient),
        outcome => drop(outcome?),
    }
    let mut ended = Vec::new();
    if org_clients::set_disabled(&mut tx, org_id, client_id, disabled.then_some(now)).await? {
        crate::db::clients::adopt(&mut tx, client_id, now).await?;
        if disabled {
            ended = grants::ids_of_client(&mut tx, org_id, client_id).await?;
            end_in(context, &mut tx, org_id, &ended, by).await?;
        }
        let subject = format!("client:{client_id}");
        let action = if disabled { "client.disabled" } else { "client.enabled" };
        let after = Some(json!({"disabled": disabled, "grants_ended": ended.len()}));
        audit::record(context, &mut tx, by, Change { org_id, action, subject: &subject, before: None, after }).await?;
    }
    tx.commit().await?;
    Ok(ended.len())
}
