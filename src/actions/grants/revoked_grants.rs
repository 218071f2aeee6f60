//! The audit changes and events of revoked grants, and the report of what was revoked.

use std::collections::BTreeMap;

use serde_json::json;

use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::families::last_tokens;
use crate::db::grants::named::NamedGrant;
use crate::rules::id::GrantId;
use crate::rules::timestamp::Timestamp;
use crate::rules::webhook::event::{ClientInfo, Event, GrantInfo, RevocationCause, UserInfo};

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
        Ok(Self {
            grants: ended.len(),
            last_token_ends_at: last_tokens::latest_end(tx, &ids).await?,
        })
    }
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
    pub fn of(
        context: &Context,
        grants: &'a [NamedGrant],
        cause: RevocationCause,
        by: &AuditActor,
    ) -> Self {
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::rules::client::ClientId;
    use crate::rules::id::{OrgId, UserId};
    use crate::rules::scope::ScopeSet;

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
        let grants = [
            grant(1, 1, 1),
            grant(2, 1, 2),
            grant(3, 2, 1),
            grant(4, 1, 1),
            grant(5, 2, 1),
            grant(6, 1, 1),
        ];
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
                let (org, client) =
                    (id(event.org().map(|id| id.0)), id(event.client().map(ClientId::uuid)));
                (
                    org,
                    client,
                    data["grants"].as_u64(),
                    data["user"]["email"].as_str().map(str::to_owned),
                )
            };
            ended.events_up_to(max).iter().map(summary).collect()
        };

        let one = |org, client, number| {
            (org, client, Some(1), Some(format!("user{number}@mail.example")))
        };
        let each = [(1, 1), (1, 2), (2, 1), (1, 1), (2, 1), (1, 1)];
        let each: Vec<_> =
            (1..).zip(each).map(|(number, (org, client))| one(org, client, number)).collect();
        assert_eq!(events(6), each);
        assert_eq!(events(5), [(1, 1, Some(3), None), one(1, 2, 2), (2, 1, Some(2), None)]);
    }
}
