//! The events that are delivered to webhooks. To add one, edit only this file and `event/data.rs`:
//! the compiler requires its name, title and data, and a test requires its section on the reference
//! page of webhook events.
//!
//! `data` is sent as it is, so it must not contain secrets. An event about one client names the
//! client and is delivered in the order of that client's events. All other events have their own
//! order.

mod data;
pub mod lifecycle;

use std::borrow::Cow;

use serde_json::Value;

use crate::client::ClientId;
use crate::id::{FamilyId, GrantId, OrgId, UserId};
use crate::scope::ScopeSet;
use crate::scope::scopes_restriction::ScopesRestriction;
use crate::timestamp::Timestamp;
use crate::token::signing_algorithm::SigningAlgorithm;
use crate::webhook::event::lifecycle::{ClientStep, PartnerStep};

#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The first user of the organization authorized the client.
    ClientFirstAuthorized {
        grant: GrantInfo<'a>,
    },
    /// The restriction of a client changed, or with [`Ceilings::Defaults`] the default for clients
    /// without a restriction.
    RestrictionChanged {
        org_id: OrgId,
        ceilings: Ceilings<'a>,
        grants_narrowed: u64,
        actor: &'a str,
    },
    /// A client requested scopes that the organization does not allow.
    RestrictionHit {
        org_id: OrgId,
        client: ClientInfo<'a>,
        user: UserInfo<'a>,
        withheld: &'a ScopeSet,
        outcome: Outcome,
    },
    /// A user authorized a client, or changed its scopes.
    GrantGiven {
        grant: GrantInfo<'a>,
        before: Option<&'a ScopeSet>,
    },
    GrantRevoked {
        grant: GrantInfo<'a>,
        cause: RevocationCause,
        actor: &'a str,
    },
    /// Too many grants were revoked at once to report each of them.
    GrantsRevoked {
        org_id: OrgId,
        client: ClientInfo<'a>,
        grants: usize,
        cause: RevocationCause,
        actor: &'a str,
    },
    /// A refresh token was reused, so its family was revoked (RFC 9700 section 4.14.2).
    RefreshTokenReused {
        grant: GrantInfo<'a>,
        family_id: FamilyId,
    },
    /// A client that the organization owns changed, or a reviewer decided about it.
    OwnClientChanged {
        org_id: OrgId,
        client: ClientInfo<'a>,
        step: ClientStep,
        details: &'a Value,
        actor: &'a str,
    },
    PartnerChanged {
        org_id: OrgId,
        step: PartnerStep,
        details: &'a Value,
        actor: &'a str,
    },
    /// The signing key will be replaced.
    SigningKeyExpiring {
        key: &'a str,
        algorithm: SigningAlgorithm,
        signs_from: Timestamp,
        replaced_at: Timestamp,
    },
    /// The sealing key reaches its maximum age. It still works, but the operator should add a new
    /// one.
    SealingKeyExpiring {
        key: &'a str,
        first_used_at: Timestamp,
        expires_at: Timestamp,
    },
}

#[derive(Clone, Copy, Debug)]
pub struct ClientInfo<'a> {
    pub id: ClientId,
    pub name: &'a str,
}

#[derive(Clone, Copy, Debug)]
pub struct UserInfo<'a> {
    pub id: UserId,
    pub email: &'a str,
}

#[derive(Clone, Copy, Debug)]
pub struct GrantInfo<'a> {
    pub id: GrantId,
    pub org_id: OrgId,
    pub client: ClientInfo<'a>,
    pub user: UserInfo<'a>,
    /// All scopes of the grant, or those it had until it was revoked.
    pub scopes: &'a ScopeSet,
}

/// The scopes that are allowed before and after a change. `None` means no restriction.
#[derive(Clone, Copy, Debug)]
pub enum Ceilings<'a> {
    Client {
        client: ClientInfo<'a>,
        before: Option<&'a ScopesRestriction>,
        after: Option<&'a ScopesRestriction>,
    },
    Defaults {
        before: Option<&'a ScopeSet>,
        after: Option<&'a ScopeSet>,
    },
}

/// The outcome of a request for scopes that are not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The other scopes were granted.
    Narrowed,
    Refused,
}

/// Why a grant was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationCause {
    /// The user or an administrator revoked this grant.
    Revoked,
    RestrictionChanged,
    ClientDisabled,
    /// The organization deleted its own client.
    ClientDeleted,
    /// The owner retired its published client.
    ClientRetired,
    UserDisabled,
    UserRemoved,
    /// The operator restored a backup, which does not have the revocations since it was made.
    Restored,
    /// The user left or was removed from the organization.
    MembershipEnded,
    /// The user's password was reset because another person may have known it.
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

impl RevocationCause {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::RestrictionChanged => "restriction_changed",
            Self::ClientDisabled => "client_disabled",
            Self::ClientDeleted => "client_deleted",
            Self::ClientRetired => "client_retired",
            Self::UserDisabled => "user_disabled",
            Self::UserRemoved => "user_removed",
            Self::Restored => "restored",
            Self::MembershipEnded => "membership_ended",
            Self::PasswordSet => "password_set",
        }
    }

    /// The reason, to follow "was revoked".
    const fn reason(self) -> &'static str {
        match self {
            Self::Revoked => "",
            Self::RestrictionChanged => " because its restriction was tightened",
            Self::ClientDisabled => " because the client was disabled",
            Self::ClientDeleted => " because the client was deleted",
            Self::ClientRetired => " because its owner retired the client",
            Self::UserDisabled => " because the user was disabled",
            Self::UserRemoved => " because the user was removed",
            Self::Restored => " because a backup was restored",
            Self::MembershipEnded => " because the user left the organization",
            Self::PasswordSet => " because the user's password was reset",
        }
    }
}

impl Event<'_> {
    /// The names of all events, as they are used in the settings of a webhook.
    pub const KINDS: [&'static str; 26] = {
        const FIXED: [&str; 8] = [
            "client.first_authorized",
            "restriction.changed",
            "restriction.hit",
            "grant.given",
            "grant.revoked",
            "refresh_token.reused",
            "signing_key.expiring",
            "sealing_key.expiring",
        ];
        let mut kinds = [""; 26];
        let mut index = 0;
        while index < kinds.len() {
            kinds[index] = match index {
                0..8 => FIXED[index],
                8..23 => ClientStep::ALL[index - 8].name(),
                _ => PartnerStep::ALL[index - 23].name(),
            };
            index += 1;
        }
        kinds
    };

    pub const fn kind(&self) -> &'static str {
        let index = match self {
            Self::ClientFirstAuthorized { .. } => 0,
            Self::RestrictionChanged { .. } => 1,
            Self::RestrictionHit { .. } => 2,
            Self::GrantGiven { .. } => 3,
            Self::GrantRevoked { .. } | Self::GrantsRevoked { .. } => 4,
            Self::RefreshTokenReused { .. } => 5,
            Self::SigningKeyExpiring { .. } => 6,
            Self::SealingKeyExpiring { .. } => 7,
            Self::OwnClientChanged { step, .. } => return step.name(),
            Self::PartnerChanged { step, .. } => return step.name(),
        };
        Self::KINDS[index]
    }

    /// The organization that gets the event. `None` means every organization.
    pub const fn org(&self) -> Option<OrgId> {
        match self {
            Self::RestrictionChanged { org_id, .. }
            | Self::RestrictionHit { org_id, .. }
            | Self::GrantsRevoked { org_id, .. }
            | Self::OwnClientChanged { org_id, .. }
            | Self::PartnerChanged { org_id, .. } => Some(*org_id),
            Self::ClientFirstAuthorized { grant }
            | Self::GrantGiven { grant, .. }
            | Self::GrantRevoked { grant, .. }
            | Self::RefreshTokenReused { grant, .. } => Some(grant.org_id),
            Self::SigningKeyExpiring { .. } | Self::SealingKeyExpiring { .. } => None,
        }
    }

    pub const fn client(&self) -> Option<ClientId> {
        match self.client_info() {
            Some(client) => Some(client.id),
            None => None,
        }
    }

    const fn client_info(&self) -> Option<ClientInfo<'_>> {
        match self {
            Self::RestrictionHit { client, .. }
            | Self::GrantsRevoked { client, .. }
            | Self::OwnClientChanged { client, .. }
            | Self::RestrictionChanged { ceilings: Ceilings::Client { client, .. }, .. } => {
                Some(*client)
            }
            Self::ClientFirstAuthorized { grant }
            | Self::GrantGiven { grant, .. }
            | Self::GrantRevoked { grant, .. }
            | Self::RefreshTokenReused { grant, .. } => Some(grant.client),
            Self::RestrictionChanged { ceilings: Ceilings::Defaults { .. }, .. }
            | Self::PartnerChanged { .. }
            | Self::SigningKeyExpiring { .. }
            | Self::SealingKeyExpiring { .. } => None,
        }
    }

    /// One sentence that describes the event to people.
    pub fn title(&self) -> String {
        match self {
            Self::ClientFirstAuthorized { grant } => {
                format!(
                    "{} was the first in the organization to authorize {}.",
                    grant.user.email,
                    grant.client.display_name()
                )
            }
            Self::RestrictionChanged {
                ceilings: Ceilings::Client { client, after, .. }, ..
            } => {
                let how = if after.is_some() { "was changed" } else { "was lifted" };
                format!("The restriction of {} {how}.", client.display_name())
            }
            Self::RestrictionChanged { ceilings: Ceilings::Defaults { .. }, .. } => {
                "The default client scopes changed.".to_owned()
            }
            Self::RestrictionHit { client, user, outcome, .. } => {
                let outcome = match outcome {
                    Outcome::Narrowed => "was granted the rest",
                    Outcome::Refused => "was refused",
                };
                let client = client.display_name();
                format!(
                    "{client} asked {} for scopes that the organization does not allow, and {outcome}.",
                    user.email
                )
            }
            Self::GrantGiven { grant, .. } => {
                format!("{} authorized {}.", grant.user.email, grant.client.display_name())
            }
            Self::GrantRevoked { grant, cause, .. } => {
                let client = grant.client.display_name();
                format!("{}'s grant to {client} was revoked{}.", grant.user.email, cause.reason())
            }
            Self::GrantsRevoked { client, grants, cause, .. } => {
                let client = client.display_name();
                format!("The grants of {grants} users to {client} were revoked{}.", cause.reason())
            }
            Self::RefreshTokenReused { grant, .. } => {
                let client = grant.client.display_name();
                format!(
                    "A refresh token of {client} for {} was used twice, so its token family was revoked.",
                    grant.user.email
                )
            }
            Self::OwnClientChanged { client, step, .. } => {
                format!("{} {}.", client.display_name(), step.phrase())
            }
            Self::PartnerChanged { step, .. } => step.title().to_owned(),
            Self::SigningKeyExpiring { replaced_at, .. } => {
                format!(
                    "The key that signs tokens will be replaced at {}.",
                    replaced_at.to_rfc3339()
                )
            }
            Self::SealingKeyExpiring { key, expires_at, .. } => {
                format!(
                    "The key {key}, which encrypts stored secrets, reaches its maximum age at {}.",
                    expires_at.to_rfc3339()
                )
            }
        }
    }
}

impl ClientInfo<'_> {
    /// The name for use in a sentence, cut if it is long, because the client chose it.
    fn display_name(&self) -> Cow<'_, str> {
        const MAX_CHARACTERS: usize = 80;
        match self.name.char_indices().nth(MAX_CHARACTERS) {
            Some((end, _)) => Cow::Owned(format!("{}…", &self.name[..end])),
            None => Cow::Borrowed(self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    const DOCUMENT: &str = concat!(
        include_str!("../../../../docs/reference/webhook-events.md"),
        include_str!("../../../../docs/reference/webhook-events-of-own-clients.md")
    );
    const NEW_YEAR: Timestamp = Timestamp::from_seconds(1_767_323_045);

    fn uuid(number: u64) -> Uuid {
        Uuid::from_u64_pair(0, number)
    }

    fn set(names: &str) -> ScopeSet {
        ScopeSet::parse(names).expect("scopes")
    }

    fn editor(name: &str) -> ClientInfo<'_> {
        ClientInfo { id: ClientId::from_uuid(uuid(2)), name }
    }

    const ADA: UserInfo<'_> =
        UserInfo { id: UserId(Uuid::from_u64_pair(0, 3)), email: "ada@acme.example" };
    const ACME: OrgId = OrgId(Uuid::from_u64_pair(0, 1));

    fn grant(scopes: &ScopeSet) -> GrantInfo<'_> {
        GrantInfo {
            id: GrantId(uuid(4)),
            org_id: ACME,
            client: editor("Editor"),
            user: ADA,
            scopes,
        }
    }

    /// Calls `check` with the events on the reference page, in their order.
    fn for_each_event(check: impl FnMut(&Event<'_>)) {
        let (scopes, withheld) = (set("mcp_read openid"), set("mcp_write"));
        let oidc_scopes = vec!["openid".parse().expect("a scope")];
        let permission_scopes = vec!["mcp_read".parse().expect("a scope")];
        let restriction = ScopesRestriction::from_stored(oidc_scopes, permission_scopes);
        let (grant, client) = (grant(&scopes), editor("Editor"));
        let ceilings = Ceilings::Client { client, before: None, after: Some(&restriction) };
        let defaults = Ceilings::Defaults { before: None, after: Some(&scopes) };
        let changed = |ceilings| Event::RestrictionChanged {
            org_id: ACME,
            ceilings,
            grants_narrowed: 1,
            actor: "command_line",
        };
        let (withheld, outcome) = (&withheld, Outcome::Narrowed);
        let actor = format!("user:{}", ADA.id);
        let events = [
            Event::ClientFirstAuthorized { grant },
            changed(ceilings),
            changed(defaults),
            Event::RestrictionHit { org_id: ACME, client, user: ADA, withheld, outcome },
            Event::GrantGiven { grant, before: None },
            Event::GrantRevoked { grant, cause: RevocationCause::Revoked, actor: &actor },
            Event::GrantsRevoked {
                org_id: ACME,
                client,
                grants: 501,
                cause: RevocationCause::ClientDisabled,
                actor: &actor,
            },
            Event::RefreshTokenReused { grant, family_id: FamilyId(uuid(5)) },
            Event::SigningKeyExpiring {
                key: "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
                algorithm: SigningAlgorithm::Es256,
                signs_from: NEW_YEAR,
                replaced_at: NEW_YEAR.plus(90 * 86_400),
            },
            Event::SealingKeyExpiring {
                key: "2026",
                first_used_at: NEW_YEAR,
                expires_at: NEW_YEAR.plus(365 * 86_400),
            },
        ];
        let details = json!({});
        let own = ClientStep::ALL.map(|step| Event::OwnClientChanged {
            org_id: ACME,
            client,
            step,
            details: &details,
            actor: "command_line",
        });
        let partner = PartnerStep::ALL.map(|step| Event::PartnerChanged {
            org_id: ACME,
            step,
            details: &details,
            actor: "command_line",
        });
        events.iter().chain(&own).chain(&partner).for_each(check);
    }

    #[test]
    fn the_reference_pages_have_a_row_and_a_section_for_each_event() {
        let rows = DOCUMENT.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let sections = DOCUMENT.lines().filter_map(|line| line.strip_prefix("## "));

        assert_eq!(rows.collect::<Vec<_>>(), Event::KINDS);
        assert_eq!(sections.collect::<Vec<_>>(), Event::KINDS);
    }

    #[test]
    fn the_examples_on_the_reference_pages_match_the_events() {
        let mut examples = DOCUMENT
            .split("```json\n")
            .skip(1)
            .map(|rest| rest.split("```").next().expect("an end"));
        for_each_event(|event| {
            let example: Value =
                serde_json::from_str(examples.next().expect("an example")).expect("JSON");
            assert_eq!(event.data(), example, "{}", event.kind());
        });
        assert_eq!(examples.next(), None);
    }

    #[test]
    fn every_event_has_its_own_name() {
        let mut kinds = Vec::new();
        for_each_event(|event| kinds.push(event.kind()));
        kinds.dedup();

        assert_eq!(kinds, Event::KINDS);
    }

    #[test]
    fn an_event_has_the_client_and_the_organization_in_its_data() {
        for_each_event(|event| {
            let named =
                event.data()["client"]["id"].as_str().map(|id| ClientId::parse(id).expect("an id"));
            assert_eq!(event.client(), named, "{}", event.kind());
            assert_eq!(json!(event.org()), event.data()["org_id"], "{}", event.kind());
        });
    }

    #[test]
    fn a_long_client_name_is_cut_in_the_title() {
        let scopes = ScopeSet::default();
        let cases =
            [("é".repeat(80), "é".repeat(80)), ("é".repeat(81), format!("{}…", "é".repeat(80)))];
        for (name, displayed) in cases {
            let event = Event::GrantGiven {
                grant: GrantInfo { client: editor(&name), ..grant(&scopes) },
                before: None,
            };
            assert_eq!(event.title(), format!("ada@acme.example authorized {displayed}."));
            assert_eq!(event.data()["client"]["name"], json!(name));
        }
    }
}
