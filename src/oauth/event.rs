//! What webhooks are told, one kind each. This is the one file in which a kind is added: the compiler asks for its name, its
//! sentence and its data, and a test for its words in `docs/reference/webhook-events.md`.
//!
//! `data` is sent as it is, so nothing secret may stand in it. What is about one client names it, and arrives in the order
//! in which it happened; what is about no client is in an order of its own.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::client::ClientId;
use super::scope::ScopeSet;
use super::scopes_restriction::ScopesRestriction;
use super::signing_algorithm::SigningAlgorithm;
use super::{FamilyId, GrantId, OrgId, Timestamp, UserId};

#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Some user of the organisation has let the client in, as nobody there had before.
    ClientFirstAuthorized {
        grant: GrantTold<'a>,
    },
    /// What a client may have, or with [`Ceilings::Defaults`] every client that is not restricted by itself.
    RestrictionChanged {
        org_id: OrgId,
        ceilings: Ceilings<'a>,
        grants_narrowed: u64,
        actor: &'a str,
    },
    /// A client asked for more than the organisation lets it have.
    RestrictionHit {
        org_id: OrgId,
        client: ClientTold<'a>,
        user: UserTold<'a>,
        withheld: &'a ScopeSet,
        outcome: Outcome,
    },
    /// A user has let a client in, or has given it something else than before.
    GrantGiven {
        grant: GrantTold<'a>,
        before: Option<&'a ScopeSet>,
    },
    GrantRevoked {
        grant: GrantTold<'a>,
        cause: Ending,
        actor: &'a str,
    },
    /// More of them at once than are told one by one.
    GrantsRevoked {
        org_id: OrgId,
        client: ClientTold<'a>,
        grants: usize,
        cause: Ending,
        actor: &'a str,
    },
    /// Somebody holds a copy (RFC 9700 section 4.14.2): what came of it has ended.
    RefreshTokenReused {
        grant: GrantTold<'a>,
        family_id: FamilyId,
    },
    /// Another key will take its place.
    SigningKeyExpiring {
        key: &'a str,
        algorithm: SigningAlgorithm,
        signs_from: Timestamp,
        replaced_at: Timestamp,
    },
    /// It goes on working, but an operator should put another in front of it.
    SealingKeyExpiring {
        key: &'a str,
        first_used_at: Timestamp,
        expires_at: Timestamp,
    },
}

#[derive(Clone, Copy, Debug)]
pub struct ClientTold<'a> {
    pub id: ClientId,
    pub name: &'a str,
}

#[derive(Clone, Copy, Debug)]
pub struct UserTold<'a> {
    pub id: UserId,
    pub email: &'a str,
}

#[derive(Clone, Copy, Debug)]
pub struct GrantTold<'a> {
    pub id: GrantId,
    pub org_id: OrgId,
    pub client: ClientTold<'a>,
    pub user: UserTold<'a>,
    /// All that it holds, or held until it ended.
    pub scopes: &'a ScopeSet,
}

/// Before and after; `None` is no bound.
#[derive(Clone, Copy, Debug)]
pub enum Ceilings<'a> {
    Client { client: ClientTold<'a>, before: Option<&'a ScopesRestriction>, after: Option<&'a ScopesRestriction> },
    Defaults { before: Option<&'a ScopeSet>, after: Option<&'a ScopeSet> },
}

/// What became of a request for too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The rest was given.
    Narrowed,
    Refused,
}

/// Why a grant has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Somebody took back this one.
    Revoked,
    RestrictionChanged,
    ClientDisabled,
    UserDisabled,
    UserRemoved,
    /// The database is a backup, and what was revoked since it was made is unknown.
    Restored,
    /// The user does not belong to the organization anymore.
    MembershipEnded,
    /// The user's password was reset because somebody else may have known it.
    PasswordSet,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Narrowed => "narrowed",
            Self::Refused => "refused",
        }
    }
}

impl Ending {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::RestrictionChanged => "restriction_changed",
            Self::ClientDisabled => "client_disabled",
            Self::UserDisabled => "user_disabled",
            Self::UserRemoved => "user_removed",
            Self::Restored => "restored",
            Self::MembershipEnded => "membership_ended",
            Self::PasswordSet => "password_set",
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Self::Revoked => "was revoked",
            Self::RestrictionChanged => "has ended, since the client may have less now",
            Self::ClientDisabled => "has ended, since the client was disabled",
            Self::UserDisabled => "has ended, since the user was disabled",
            Self::UserRemoved => "has ended, since the user was removed",
            Self::Restored => "was revoked because a backup was restored",
            Self::MembershipEnded => "has ended, since the user left the organization",
            Self::PasswordSet => "has ended, since the user's password was reset",
        }
    }
}

impl Event<'_> {
    /// All there are, as webhooks name the ones that they want.
    pub const KINDS: [&'static str; 8] = [
        "client.first_authorized",
        "restriction.changed",
        "restriction.hit",
        "grant.given",
        "grant.revoked",
        "refresh_token.reused",
        "signing_key.expiring",
        "sealing_key.expiring",
    ];

    pub const fn kind(&self) -> &'static str {
        let place = match self {
            Self::ClientFirstAuthorized { .. } => 0,
            Self::RestrictionChanged { .. } => 1,
            Self::RestrictionHit { .. } => 2,
            Self::GrantGiven { .. } => 3,
            Self::GrantRevoked { .. } | Self::GrantsRevoked { .. } => 4,
            Self::RefreshTokenReused { .. } => 5,
            Self::SigningKeyExpiring { .. } => 6,
            Self::SealingKeyExpiring { .. } => 7,
        };
        Self::KINDS[place]
    }

    /// Who is told; `None`: every organisation.
    pub const fn org(&self) -> Option<OrgId> {
        match self {
            Self::RestrictionChanged { org_id, .. }
            | Self::RestrictionHit { org_id, .. }
            | Self::GrantsRevoked { org_id, .. } => Some(*org_id),
            Self::ClientFirstAuthorized { grant }
            | Self::GrantGiven { grant, .. }
            | Self::GrantRevoked { grant, .. }
            | Self::RefreshTokenReused { grant, .. } => Some(grant.org_id),
            Self::SigningKeyExpiring { .. } | Self::SealingKeyExpiring { .. } => None,
        }
    }

    pub const fn client(&self) -> Option<ClientId> {
        match self.client_told() {
            Some(client) => Some(client.id),
            None => None,
        }
    }

    const fn client_told(&self) -> Option<ClientTold<'_>> {
        match self {
            Self::RestrictionHit { client, .. }
            | Self::GrantsRevoked { client, .. }
            | Self::RestrictionChanged { ceilings: Ceilings::Client { client, .. }, .. } => Some(*client),
            Self::ClientFirstAuthorized { grant }
            | Self::GrantGiven { grant, .. }
            | Self::GrantRevoked { grant, .. }
            | Self::RefreshTokenReused { grant, .. } => Some(grant.client),
            Self::RestrictionChanged { ceilings: Ceilings::Defaults { .. }, .. }
            | Self::SigningKeyExpiring { .. }
            | Self::SealingKeyExpiring { .. } => None,
        }
    }

    /// One sentence, for people.
    pub fn title(&self) -> String {
        match self {
            Self::ClientFirstAuthorized { grant } => {
                let (client, user) = (grant.client.shown(), grant.user.email);
                format!("{user} authorized {client}, which nobody in the organization had authorized before.")
            }
            Self::RestrictionChanged { ceilings: Ceilings::Client { client, after, .. }, .. } => {
                let how = if after.is_some() { "was changed" } else { "was lifted" };
                format!("The restriction of {} {how}.", client.shown())
            }
            Self::RestrictionChanged { ceilings: Ceilings::Defaults { .. }, .. } => {
                "What clients may have that are not restricted by themselves was changed.".to_owned()
            }
            Self::RestrictionHit { client, user, outcome, .. } => {
                let outcome = match outcome {
                    Outcome::Narrowed => "got a part of it",
                    Outcome::Refused => "was refused",
                };
                let client = client.shown();
                format!("{client} asked {} for more than the organization lets it have, and {outcome}.", user.email)
            }
            Self::GrantGiven { grant, .. } => {
                format!("{} authorized {}.", grant.user.email, grant.client.shown())
            }
            Self::GrantRevoked { grant, cause, .. } => {
                let (user, client) = (grant.user.email, grant.client.shown());
                format!("What {user} had authorized for {client} {}.", cause.in_words())
            }
            Self::GrantsRevoked { client, grants, cause, .. } => {
                format!("What {grants} users had authorized for {} {}.", client.shown(), cause.in_words())
            }
            Self::RefreshTokenReused { grant, .. } => {
                let (user, client) = (grant.user.email, grant.client.shown());
                format!("A refresh token of {client} for {user} was used twice: what came of it has ended.")
            }
            Self::SigningKeyExpiring { replaced_at, .. } => {
                format!("The key that signs tokens will be replaced at {}.", replaced_at.to_rfc3339())
            }
            Self::SealingKeyExpiring { key, expires_at, .. } => {
                format!("The key {key}, which seals stored secrets, is old at {}.", expires_at.to_rfc3339())
            }
        }
    }

    /// What is sent. Every kind has the title and the organisation, which is null where all are told.
    pub fn data(&self) -> Value {
        let mut data = self.details();
        data["title"] = self.title().into();
        data["org_id"] = json!(self.org());
        data
    }

    fn details(&self) -> Value {
        match self {
            Self::ClientFirstAuthorized { grant } => grant.shown(),
            Self::RestrictionChanged { ceilings, grants_narrowed, actor, .. } => {
                let (before, after) = ceilings.shown();
                json!({
                    "client": self.client_told().map(ClientTold::as_json),
                    "before": before,
                    "after": after,
                    "grants_narrowed": grants_narrowed,
                    "actor": actor,
                })
            }
            Self::RestrictionHit { client, user, withheld, outcome, .. } => json!({
                "client": client.as_json(),
                "user": user.as_json(),
                "withheld": withheld,
                "outcome": outcome.as_str(),
            }),
            Self::GrantGiven { grant, before } => with(grant.shown(), [("scopes_before", json!(before))]),
            Self::GrantRevoked { grant, cause, actor } => {
                let more = [("grants", json!(1)), ("cause", json!(cause.as_str())), ("actor", json!(actor))];
                with(grant.shown(), more)
            }
            Self::GrantsRevoked { client, grants, cause, actor, .. } => json!({
                "grant_id": null,
                "client": client.as_json(),
                "user": null,
                "scopes": null,
                "grants": grants,
                "cause": cause.as_str(),
                "actor": actor,
            }),
            Self::RefreshTokenReused { grant, family_id } => with(grant.shown(), [("family_id", json!(family_id))]),
            Self::SigningKeyExpiring { key, algorithm, signs_from, replaced_at } => json!({
                "signing_key": {"id": key, "algorithm": algorithm},
                "signs_from": signs_from.to_rfc3339(),
                "replaced_at": replaced_at.to_rfc3339(),
            }),
            Self::SealingKeyExpiring { key, first_used_at, expires_at } => json!({
                "sealing_key": {"id": key},
                "first_used_at": first_used_at.to_rfc3339(),
                "expires_at": expires_at.to_rfc3339(),
            }),
        }
    }
}

fn with<const N: usize>(mut data: Value, members: [(&str, Value); N]) -> Value {
    for (name, value) in members {
        data[name] = value;
    }
    data
}

impl ClientTold<'_> {
    fn as_json(self) -> Value {
        json!({"id": self.id.to_string(), "name": self.name})
    }

    /// Within a sentence. A stranger chose the name, which may be long.
    fn shown(&self) -> Cow<'_, str> {
        const MOST: usize = 80;
        match self.name.char_indices().nth(MOST) {
            Some((end, _)) => Cow::Owned(format!("{}…", &self.name[..end])),
            None => Cow::Borrowed(self.name),
        }
    }
}

impl UserTold<'_> {
    fn as_json(self) -> Value {
        json!({"id": self.id, "email": self.email})
    }
}

impl GrantTold<'_> {
    fn shown(&self) -> Value {
        json!({
            "grant_id": self.id,
            "client": self.client.as_json(),
            "user": self.user.as_json(),
            "scopes": self.scopes,
        })
    }
}

impl Ceilings<'_> {
    fn shown(&self) -> (Value, Value) {
        match self {
            Self::Client { before, after, .. } => (restriction(*before), restriction(*after)),
            Self::Defaults { before, after } => (defaults(*before), defaults(*after)),
        }
    }
}

fn restriction(restriction: Option<&ScopesRestriction>) -> Value {
    json!(restriction.map(|restriction| json!({
        "oidc_scopes": restriction.oidc_scopes(),
        "permission_scopes": restriction.permission_scopes(),
    })))
}

fn defaults(scopes: Option<&ScopeSet>) -> Value {
    json!(scopes.map(|scopes| json!({"default_client_scopes": scopes})))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const DOCUMENT: &str = include_str!("../../docs/reference/webhook-events.md");
    const NEW_YEAR: Timestamp = Timestamp::from_seconds(1_767_323_045);

    fn uuid(number: u64) -> Uuid {
        Uuid::from_u64_pair(0, number)
    }

    fn set(names: &str) -> ScopeSet {
        ScopeSet::parse(names).expect("scopes")
    }

    fn editor(name: &str) -> ClientTold<'_> {
        ClientTold { id: ClientId::from_uuid(uuid(2)), name }
    }

    const ADA: UserTold<'_> = UserTold { id: UserId(Uuid::from_u64_pair(0, 3)), email: "ada@acme.example" };
    const ACME: OrgId = OrgId(Uuid::from_u64_pair(0, 1));

    fn grant(scopes: &ScopeSet) -> GrantTold<'_> {
        GrantTold { id: GrantId(uuid(4)), org_id: ACME, client: editor("Editor"), user: ADA, scopes }
    }

    /// Calls with one event of each kind, or more, in the order of the document.
    fn each(told: impl FnMut(&Event<'_>)) {
        let (scopes, withheld) = (set("mcp_read openid"), set("mcp_write"));
        let lists = (vec!["openid".parse().expect("a scope")], vec!["mcp_read".parse().expect("a scope")]);
        let restriction = ScopesRestriction::from_stored(lists.0, lists.1);
        let (grant, client) = (grant(&scopes), editor("Editor"));
        let ceilings = Ceilings::Client { client, before: None, after: Some(&restriction) };
        let defaults = Ceilings::Defaults { before: None, after: Some(&scopes) };
        let changed =
            |ceilings| Event::RestrictionChanged { org_id: ACME, ceilings, grants_narrowed: 1, actor: "command_line" };
        let (withheld, outcome) = (&withheld, Outcome::Narrowed);
        let actor = format!("user:{}", ADA.id);
        let events = [
            Event::ClientFirstAuthorized { grant },
            changed(ceilings),
            changed(defaults),
            Event::RestrictionHit { org_id: ACME, client, user: ADA, withheld, outcome },
            Event::GrantGiven { grant, before: None },
            Event::GrantRevoked { grant, cause: Ending::Revoked, actor: &actor },
            Event::GrantsRevoked { org_id: ACME, client, grants: 501, cause: Ending::ClientDisabled, actor: &actor },
            Event::RefreshTokenReused { grant, family_id: FamilyId(uuid(5)) },
            Event::SigningKeyExpiring {
                key: "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
                algorithm: SigningAlgorithm::Es256,
                signs_from: NEW_YEAR,
                replaced_at: NEW_YEAR.plus(90 * 86_400),
            },
            Event::SealingKeyExpiring { key: "2026", first_used_at: NEW_YEAR, expires_at: NEW_YEAR.plus(365 * 86_400) },
        ];
        events.iter().for_each(told);
    }

    #[test]
    fn the_document_has_a_row_and_a_section_for_each_kind_and_for_nothing_else() {
        let rows = DOCUMENT.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let sections = DOCUMENT.lines().filter_map(|line| line.strip_prefix("## "));

        assert_eq!(rows.collect::<Vec<_>>(), Event::KINDS);
        assert_eq!(sections.collect::<Vec<_>>(), Event::KINDS);
    }

    #[test]
    fn the_examples_of_the_document_are_what_is_sent() {
        let mut examples = DOCUMENT.split("```json\n").skip(1).map(|rest| rest.split("```").next().expect("an end"));
        each(|event| {
            let example: Value = serde_json::from_str(examples.next().expect("an example")).expect("JSON");
            assert_eq!(event.data(), example, "{}", event.kind());
        });
        assert_eq!(examples.next(), None);
    }

    #[test]
    fn every_kind_has_its_own_name_and_every_one_is_made() {
        let mut kinds = Vec::new();
        each(|event| kinds.push(event.kind()));
        kinds.dedup();

        assert_eq!(kinds, Event::KINDS);
    }

    #[test]
    fn an_event_is_in_the_order_of_the_client_that_it_names() {
        each(|event| {
            let named = event.data()["client"]["id"].as_str().map(|id| ClientId::parse(id).expect("an id"));
            assert_eq!(event.client(), named, "{}", event.kind());
            assert_eq!(json!(event.org()), event.data()["org_id"], "{}", event.kind());
        });
    }

    #[test]
    fn a_long_name_does_not_make_a_long_title() {
        let scopes = ScopeSet::default();
        let cases = [("é".repeat(80), "é".repeat(80)), ("é".repeat(81), format!("{}…", "é".repeat(80)))];
        for (name, shown) in cases {
            let event =
                Event::GrantGiven { grant: GrantTold { client: editor(&name), ..grant(&scopes) }, before: None };
            assert_eq!(event.title(), format!("ada@acme.example authorized {shown}."));
            assert_eq!(event.data()["client"]["name"], json!(name));
        }
    }
}
