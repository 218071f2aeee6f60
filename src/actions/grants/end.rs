//! Ends grants, with all their tokens: a user, an operator, or the server's own operator takes back what was given.

use std::collections::BTreeMap;

use serde_json::json;

use crate::actions::audit::{By, Change};
use crate::actions::context::Context;
use crate::actions::webhooks::announce::record_and_announce;
use crate::config::OnNarrow;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::families::last_tokens;
use crate::db::grants;
use crate::db::grants::Grant;
use crate::db::grants::end;
use crate::db::grants::named::NamedGrant;
use crate::db::orgs::org_clients;
use crate::rules::client::ClientId;
use crate::rules::id::{GrantId, OrgId};
use crate::rules::scope::ScopeSet;
use crate::rules::timestamp::Timestamp;
use crate::rules::webhook::event::{ClientTold, Ending, Event, GrantTold, UserTold};

#[derive(Debug, thiserror::Error)]
pub enum EndGrantError {
    #[error("there is no such grant; `grantor grant list` shows all")]
    NoSuchGrant,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Access that ended, as people are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndedAccess {
    /// Number of grants that were revoked. Those that were revoked before are not counted.
    pub grants: usize,
    /// Until then, APIs that only check signatures may accept the last access token.
    pub last_token_ends_at: Option<Timestamp>,
}

impl EndedAccess {
    /// In the transaction that has just revoked the grants, so that no token is issued afterwards.
    pub(in crate::actions) async fn of(tx: &mut Tx, ended: &[NamedGrant]) -> Result<Self, DbError> {
        let ids: Vec<GrantId> = ended.iter().map(|grant| grant.id).collect();
        Ok(Self { grants: ended.len(), last_token_ends_at: last_tokens::latest_end(tx, &ids).await? })
    }
}

/// One grant, where `mine` says that it is the caller's to end. Ending it twice is fine.
pub async fn end_grant(
    context: &Context,
    id: GrantId,
    mine: impl Fn(&Grant) -> bool,
    by: &By,
) -> Result<EndedAccess, EndGrantError> {
    let found = grants::find_by_id(&context.db, id).await?;
    let grant = found.filter(mine).ok_or(EndGrantError::NoSuchGrant)?;
    crate::actions::conflict::again_after_conflict(context, || end_one(context, &grant, by)).await
}

async fn end_one(context: &Context, grant: &Grant, by: &By) -> Result<EndedAccess, EndGrantError> {
    let mut tx = context.db.begin().await?;
    org_clients::lock(&mut tx, grant.org_id, grant.client_id, context.clock.now()).await?;
    let still_lives = grants::find_by_id(&mut tx, grant.id).await?.is_some_and(|grant| grant.revoked_at.is_none());
    if still_lives {
        let ended = end::end(&mut tx, &[grant.id], context.clock.now()).await?;
        let told = Ended::of(context, &ended, Ending::Revoked, by);
        record_and_announce(context, &mut tx, by, told.changes(), &told.events()).await?;
    }
    let last_token_ends_at = last_tokens::latest_end(&mut tx, &[grant.id]).await?;
    tx.commit().await?;
    Ok(EndedAccess { grants: usize::from(still_lives), last_token_ends_at })
}

/// Takes scopes from grants as part of a larger change, which tells of it at its end: the whole grant goes, or only they, by
/// the setting. A grant that is left with nothing goes too. Returns those that ended.
pub(in crate::actions) async fn take_in(
    tx: &mut Tx,
    ids: &[GrantId],
    (on_narrow, scopes): (OnNarrow, &ScopeSet),
    now: Timestamp,
) -> Result<Vec<NamedGrant>, DbError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    if on_narrow == OnNarrow::Revoke {
        return end::end(tx, ids, now).await;
    }
    end::take_scopes(&mut *tx, ids, scopes, now).await?;
    let empty = grants::ids_without_scopes(&mut *tx, ids).await?;
    if empty.is_empty() { Ok(Vec::new()) } else { end::end(tx, &empty, now).await }
}

/// Of grants that end in one transaction. Every webhook gets a row for each event, and a transaction has seconds only.
const MOST_TOLD_ONE_BY_ONE: usize = 500;

/// What is told of grants that ended. Every one is an audit event, so that a user's history is whole.
pub(in crate::actions) struct Ended<'a> {
    grants: &'a [NamedGrant],
    subjects: Vec<String>,
    cause: Ending,
    actor: String,
    at: Timestamp,
}

impl<'a> Ended<'a> {
    pub fn of(context: &Context, grants: &'a [NamedGrant], cause: Ending, by: &By) -> Self {
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
        self.events_beyond(MOST_TOLD_ONE_BY_ONE)
    }

    /// One for each grant, or where there are more than `most`, one for each client of an organisation.
    fn events_beyond(&self, most: usize) -> Vec<Event<'_>> {
        if self.grants.len() <= most {
            return self.grants.iter().map(|grant| self.event(grant)).collect();
        }
        let mut of_clients = BTreeMap::<_, Vec<&NamedGrant>>::new();
        for grant in self.grants {
            of_clients.entry((grant.org_id.0, grant.client_id.uuid())).or_default().push(grant);
        }
        of_clients.values().flat_map(|grants| self.of_client(grants)).collect()
    }

    fn of_client(&self, grants: &[&'a NamedGrant]) -> Option<Event<'_>> {
        match grants {
            [] => None,
            [one] => Some(self.event(one)),
            [first, ..] => Some(Event::GrantsRevoked {
                org_id: first.org_id,
                client: told(first).client,
                grants: grants.len(),
                cause: self.cause,
                actor: &self.actor,
            }),
        }
    }

    fn event(&self, grant: &'a NamedGrant) -> Event<'_> {
        Event::GrantRevoked { grant: told(grant), cause: self.cause, actor: &self.actor }
    }
}

pub(in crate::actions) fn told(grant: &NamedGrant) -> GrantTold<'_> {
    GrantTold {
        id: grant.id,
        org_id: grant.org_id,
        client: ClientTold { id: grant.client_id, name: &grant.client_name },
        user: UserTold { id: grant.user_id, email: &grant.email },
        scopes: &grant.scopes,
    }
}

#[derive(Debug, thiserror::Error)]
pub enum DisableClientError {
    #[error("there is no such client; `grantor client list` shows all")]
    NoSuchClient,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Takes a client from an organization: every grant of it ends at once, and no new one is given.
pub async fn disable_client(
    context: &Context,
    org_id: OrgId,
    client_id: ClientId,
    by: &By,
) -> Result<EndedAccess, DisableClientError> {
    crate::actions::conflict::again_after_conflict(context, || set_disabled(context, org_id, client_id, true, by)).await
}

/// Lets users authorise the client again; what was ended stays ended.
pub async fn enable_client(
    context: &Context,
    org_id: OrgId,
    client_id: ClientId,
    by: &By,
) -> Result<(), DisableClientError> {
    crate::actions::conflict::again_after_conflict(context, || set_disabled(context, org_id, client_id, false, by))
        .await
        .map(drop)
}

async fn set_disabled(
    context: &Context,
    org_id: OrgId,
    client_id: ClientId,
    disabled: bool,
    by: &By,
) -> Result<EndedAccess, DisableClientError> {
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
            let ids = grants::ids_of_client(&mut tx, org_id, client_id).await?;
            ended = end::end(&mut tx, &ids, now).await?;
        }
        let subject = format!("client:{client_id}");
        let action = if disabled { "client.disabled" } else { "client.enabled" };
        let after = Some(json!({"disabled": disabled, "grants_ended": ended.len()}));
        let told = Ended::of(context, &ended, Ending::ClientDisabled, by);
        let mut changes = told.changes();
        changes.push(Change { org_id, action, subject: &subject, before: None, after });
        record_and_announce(context, &mut tx, by, changes, &told.events()).await?;
    }
    let access = EndedAccess::of(&mut tx, &ended).await?;
    tx.commit().await?;
    Ok(access)
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
    fn more_than_are_told_one_by_one_are_told_client_by_client_of_each_organisation() {
        let grants = [grant(1, 1, 1), grant(2, 1, 2), grant(3, 2, 1), grant(4, 1, 1), grant(5, 2, 1), grant(6, 1, 1)];
        let ended = Ended {
            grants: &grants,
            subjects: Vec::new(),
            cause: Ending::ClientDisabled,
            actor: "command_line".to_owned(),
            at: Timestamp::from_seconds(0),
        };
        let told = |most| -> Vec<_> {
            let told = |event: &Event<'_>| {
                let data = event.data();
                let id = |number: Option<Uuid>| number.map_or(0, |id| id.as_u64_pair().1);
                let (org, client) = (id(event.org().map(|id| id.0)), id(event.client().map(ClientId::uuid)));
                (org, client, data["grants"].as_u64(), data["user"]["email"].as_str().map(str::to_owned))
            };
            ended.events_beyond(most).iter().map(told).collect()
        };

        let one = |org, client, number| (org, client, Some(1), Some(format!("user{number}@mail.example")));
        let each = [(1, 1), (1, 2), (2, 1), (1, 1), (2, 1), (1, 1)];
        let each: Vec<_> = (1..).zip(each).map(|(number, (org, client))| one(org, client, number)).collect();
        assert_eq!(told(6), each);
        assert_eq!(told(5), [(1, 1, Some(3), None), one(1, 2, 2), (2, 1, Some(2), None)]);
    }
}
