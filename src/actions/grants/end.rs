//! Revokes grants with all their tokens, on request of a user, of a caller of the API, or of the
//! operator of this server.

use std::collections::BTreeMap;

use serde_json::json;

use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::webhooks::announce::record_and_publish;
use crate::config::OnNarrow;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::families::last_tokens;
use crate::db::grants;
use crate::db::grants::Grant;
use crate::db::grants::named::NamedGrant;
use crate::db::grants::revocations;
use crate::db::orgs::org_clients;
use crate::rules::client::ClientId;
use crate::rules::id::{GrantId, OrgId};
use crate::rules::scope::ScopeSet;
use crate::rules::timestamp::Timestamp;
use crate::rules::webhook::event::{ClientInfo, Event, GrantInfo, RevocationCause, UserInfo};

#[derive(Debug, thiserror::Error)]
pub enum RevokeGrantError {
    #[error("there is no such grant; `grantor grant list` lists all grants")]
    NoSuchGrant,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The access that was revoked, as commands and pages report it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevokedAccess {
    /// Number of grants that were revoked. Grants that were already revoked are not counted.
    pub grants: usize,
    /// APIs that only check signatures may accept an access token until then.
    pub last_token_ends_at: Option<Timestamp>,
}

impl RevokedAccess {
    /// Must run in the transaction that revoked the grants, so that no token is issued afterwards.
    pub(in crate::actions) async fn of(tx: &mut Tx, ended: &[NamedGrant]) -> Result<Self, DbError> {
        let ids: Vec<GrantId> = ended.iter().map(|grant| grant.id).collect();
        Ok(Self { grants: ended.len(), last_token_ends_at: last_tokens::latest_end(tx, &ids).await? })
    }
}

/// Revokes one grant if `is_own` accepts it as the caller's own. Revoking it twice is fine.
pub async fn revoke_grant(
    context: &Context,
    id: GrantId,
    is_own: impl Fn(&Grant) -> bool,
    by: &AuditActor,
) -> Result<RevokedAccess, RevokeGrantError> {
    let found = grants::find_by_id(&context.db, id).await?;
    let grant = &found.filter(is_own).ok_or(RevokeGrantError::NoSuchGrant)?;
    context
        .transact("grant.revoke", |tx| {
            Box::pin(async move {
                org_clients::lock(tx, grant.org_id, grant.client_id, context.clock.now()).await?;
                let is_active =
                    grants::find_by_id(&mut *tx, grant.id).await?.is_some_and(|grant| grant.revoked_at.is_none());
                if is_active {
                    let ended = revocations::revoke(tx, &[grant.id], context.clock.now()).await?;
                    let revoked = RevokedGrants::of(context, &ended, RevocationCause::Revoked, by);
                    record_and_publish(context, tx, by, revoked.changes(), &revoked.events()).await?;
                }
                let last_token_ends_at = last_tokens::latest_end(&mut *tx, &[grant.id]).await?;
                Ok(RevokedAccess { grants: usize::from(is_active), last_token_ends_at })
            })
        })
        .await
}

/// Removes scopes from grants as part of a larger change, which records and publishes it. The
/// setting decides whether a grant is revoked or loses only these scopes. A grant without any scope
/// left is revoked too. Returns the revoked grants.
pub(in crate::actions) async fn narrow_or_revoke(
    tx: &mut Tx,
    ids: &[GrantId],
    (on_narrow, scopes): (OnNarrow, &ScopeSet),
    now: Timestamp,
) -> Result<Vec<NamedGrant>, DbError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    if on_narrow == OnNarrow::Revoke {
        return revocations::revoke(tx, ids, now).await;
    }
    revocations::remove_scopes(&mut *tx, ids, scopes, now).await?;
    let empty = grants::ids::without_scopes(&mut *tx, ids).await?;
    if empty.is_empty() { Ok(Vec::new()) } else { revocations::revoke(tx, &empty, now).await }
}

/// If more grants are revoked in one transaction, there is one event per client instead of one per
/// grant: every webhook gets a row for each event, and a transaction lasts only seconds.
const MAX_EVENTS_PER_GRANT: usize = 500;

/// Audit changes and events for revoked grants. Every grant gets its own audit event, so that the
/// history of a user is complete.
pub(in crate::actions) struct RevokedGrants<'a> {
    grants: &'a [NamedGrant],
    subjects: Vec<String>,
    cause: RevocationCause,
    actor: String,
    at: Timestamp,
}

impl<'a> RevokedGrants<'a> {
    pub fn of(context: &Context, grants: &'a [NamedGrant], cause: RevocationCause, by: &AuditActor) -> Self {
        let subjects = grants.iter().map(|grant| format!("grant:{}", grant.id)).collect();
        Self { grants, subjects, cause, actor: by.actor.name(), at: context.clock.now() }
    }

    pub fn changes(&self) -> Vec<Change<'_>> {
        let each = self.grants.iter().zip(&self.subjects);
        each.map(|(grant, subject)| Change {
            org_id: grant.org_id,
            action: "grant.revoked",
            subject,
            before: None,
            after: Some(json!({"revoked_at": self.at})),
        })
        .collect()
    }

    pub fn events(&self) -> Vec<Event<'_>> {
        self.events_up_to(MAX_EVENTS_PER_GRANT)
    }

    /// One event per grant, or one per client of an organization if there are more than `max`
    /// grants.
    fn events_up_to(&self, max: usize) -> Vec<Event<'_>> {
        if self.grants.len() <= max {
            return self.grants.iter().map(|grant| self.event(grant)).collect();
        }
        let mut by_client = BTreeMap::<_, Vec<&NamedGrant>>::new();
        for grant in self.grants {
            by_client.entry((grant.org_id.0, grant.client_id.uuid())).or_default().push(grant);
        }
        by_client.values().flat_map(|grants| self.client_event(grants)).collect()
    }

    fn client_event(&self, grants: &[&'a NamedGrant]) -> Option<Event<'_>> {
        match grants {
            [] => None,
            [one] => Some(self.event(one)),
            [first, ..] => Some(Event::GrantsRevoked {
                org_id: first.org_id,
                client: grant_info(first).client,
                grants: grants.len(),
                cause: self.cause,
                actor: &self.actor,
            }),
        }
    }

    fn event(&self, grant: &'a NamedGrant) -> Event<'_> {
        Event::GrantRevoked { grant: grant_info(grant), cause: self.cause, actor: &self.actor }
    }
}

pub(in crate::actions) fn grant_info(grant: &NamedGrant) -> GrantInfo<'_> {
    GrantInfo {
        id: grant.id,
        org_id: grant.org_id,
        client: ClientInfo { id: grant.client_id, name: &grant.client_name },
        user: UserInfo { id: grant.user_id, email: &grant.email },
        scopes: &grant.scopes,
    }
}

#[derive(Debug, thiserror::Error)]
pub enum DisableClientError {
    #[error("there is no such client; `grantor client list` lists all clients")]
    NoSuchClient,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Disables a client in an organization: all its grants are revoked, and users cannot authorize it.
pub async fn disable_client(
    context: &Context,
    org_id: OrgId,
    client_id: ClientId,
    by: &AuditActor,
) -> Result<RevokedAccess, DisableClientError> {
    set_disabled(context, org_id, client_id, true, by).await
}

/// Lets users authorize the client again. Revoked grants stay revoked.
pub async fn enable_client(
    context: &Context,
    org_id: OrgId,
    client_id: ClientId,
    by: &AuditActor,
) -> Result<(), DisableClientError> {
    set_disabled(context, org_id, client_id, false, by).await.map(drop)
}

async fn set_disabled(
    context: &Context,
    org_id: OrgId,
    client_id: ClientId,
    disabled: bool,
    by: &AuditActor,
) -> Result<RevokedAccess, DisableClientError> {
    context
        .transact("client.set_disabled", |tx| {
            Box::pin(async move {
                let now = context.clock.now();
                match org_clients::lock(tx, org_id, client_id, now).await {
                    Err(DbError::Reference) => return Err(DisableClientError::NoSuchClient),
                    outcome => drop(outcome?),
                }
                let mut ended = Vec::new();
                if org_clients::set_disabled(tx, org_id, client_id, disabled.then_some(now)).await? {
                    crate::db::clients::adopt(&mut *tx, client_id, now).await?;
                    if disabled {
                        let ids = grants::ids::of_client(tx, org_id, client_id).await?;
                        ended = revocations::revoke(tx, &ids, now).await?;
                    }
                    let subject = format!("client:{client_id}");
                    let action = if disabled { "client.disabled" } else { "client.enabled" };
                    let after = Some(json!({"disabled": disabled, "grants_ended": ended.len()}));
                    let revoked = RevokedGrants::of(context, &ended, RevocationCause::ClientDisabled, by);
                    let mut changes = revoked.changes();
                    changes.push(Change { org_id, action, subject: &subject, before: None, after });
                    record_and_publish(context, tx, by, changes, &revoked.events()).await?;
                }
                Ok(RevokedAccess::of(tx, &ended).await?)
            })
        })
        .await
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::rules::id::UserId;

    fn grant(number: u64, org: u64, client: u64) -> NamedGrant {
        let uuid = |number| Uuid::from_u64_pair(0, number);
        NamedGrant {
            id: GrantId(uuid(number)),
            org_id: OrgId(uuid(org)),
            client_id: ClientId::from_uuid(uuid(client)),
            client_name: format!("Client {client}"),
            user_id: UserId(uuid(number)),
            email: format!("user{number}@mail.example"),
            scopes: ScopeSet::default(),
        }
    }

    #[test]
    fn many_revoked_grants_are_published_per_client_and_organization() {
        let grants = [grant(1, 1, 1), grant(2, 1, 2), grant(3, 2, 1), grant(4, 1, 1), grant(5, 2, 1), grant(6, 1, 1)];
        let ended = RevokedGrants {
            grants: &grants,
            subjects: Vec::new(),
            cause: RevocationCause::ClientDisabled,
            actor: "command_line".to_owned(),
            at: Timestamp::from_seconds(0),
        };
        let events = |max| -> Vec<_> {
            let summary = |event: &Event<'_>| {
                let data = event.data();
                let id = |number: Option<Uuid>| number.map_or(0, |id| id.as_u64_pair().1);
                let (org, client) = (id(event.org().map(|id| id.0)), id(event.client().map(ClientId::uuid)));
                (org, client, data["grants"].as_u64(), data["user"]["email"].as_str().map(str::to_owned))
            };
            ended.events_up_to(max).iter().map(summary).collect()
        };

        let one = |org, client, number| (org, client, Some(1), Some(format!("user{number}@mail.example")));
        let each = [(1, 1), (1, 2), (2, 1), (1, 1), (2, 1), (1, 1)];
        let each: Vec<_> = (1..).zip(each).map(|(number, (org, client))| one(org, client, number)).collect();
        assert_eq!(events(6), each);
        assert_eq!(events(5), [(1, 1, Some(3), None), one(1, 2, 2), (2, 1, Some(2), None)]);
    }
}
