//! The `data` of each event, as JSON.

use serde_json::{Value, json};

use crate::scope::ScopeSet;
use crate::scope::scopes_restriction::ScopesRestriction;
use crate::webhook::event::{Ceilings, ClientInfo, Event, GrantInfo, UserInfo};

impl Event<'_> {
    /// The `data` member of the event. Every event has `title` and `org_id`, which is null if the
    /// event is sent to every organization.
    pub fn data(&self) -> Value {
        let mut data = self.details();
        data["title"] = self.title().into();
        data["org_id"] = json!(self.org());
        data
    }

    fn details(&self) -> Value {
        match self {
            Self::ClientFirstAuthorized { grant } => grant.as_json(),
            Self::RestrictionChanged { ceilings, grants_narrowed, actor, .. } => {
                let (before, after) = ceilings.as_json();
                json!({
                    "client": self.client_info().map(ClientInfo::as_json),
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
            Self::GrantGiven { grant, before } => {
                with(grant.as_json(), [("scopes_before", json!(before))])
            }
            Self::GrantRevoked { grant, cause, actor } => {
                let more = [
                    ("grants", json!(1)),
                    ("cause", json!(cause.as_str())),
                    ("actor", json!(actor)),
                ];
                with(grant.as_json(), more)
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
            Self::RefreshTokenReused { grant, family_id } => {
                with(grant.as_json(), [("family_id", json!(family_id))])
            }
            Self::OwnClientChanged { client, details, actor, .. } => {
                json!({"client": client.as_json(), "details": details, "actor": actor})
            }
            Self::PartnerChanged { details, actor, .. } => {
                json!({"details": details, "actor": actor})
            }
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

impl ClientInfo<'_> {
    fn as_json(self) -> Value {
        json!({"id": self.id.to_string(), "name": self.name})
    }
}

impl UserInfo<'_> {
    fn as_json(self) -> Value {
        json!({"id": self.id, "email": self.email})
    }
}

impl GrantInfo<'_> {
    fn as_json(&self) -> Value {
        json!({
            "grant_id": self.id,
            "client": self.client.as_json(),
            "user": self.user.as_json(),
            "scopes": self.scopes,
        })
    }
}

impl Ceilings<'_> {
    fn as_json(&self) -> (Value, Value) {
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
