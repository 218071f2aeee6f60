//! The JSON:API resources of the organization's own clients and their secrets.

use serde_json::{Value, json};

use crate::actions::clients::private::secrets::MadeSecret;
use crate::db::clients::own::OwnClient;
use crate::db::clients::secrets::ClientSecret;
use crate::db::clients::versions::Version;
use crate::http::api::oauth2_clients::request::{SECRET_TYPE, TYPE, VERSION_TYPE};
use crate::rules::redirect::uri::RedirectUri;

/// `live` are the secrets that work now, of this client and of others. The current one comes first.
pub fn client_resource(client: &OwnClient, live: &[ClientSecret]) -> Value {
    let own = || live.iter().filter(|secret| secret.client_id == client.id);
    let current = own().find(|secret| secret.expires_at.is_none());
    let previous = own().find(|secret| secret.expires_at.is_some());
    let redirect_uris: Vec<&str> =
        client.metadata.redirect_uris().iter().map(RedirectUri::as_str).collect();
    let secret = current.map(|secret| {
        json!({
            "id": secret.id,
            "last4": secret.last_four,
            "created_at": secret.created_at.to_rfc3339(),
            "last_used_at": secret.last_used_at.map(|at| at.to_rfc3339()),
            "previous": previous.map(previous_secret),
        })
    });
    let created_by = client.created_by.map(|id| json!({"id": id, "type": "users"}));
    json!({
        "id": client.id,
        "type": TYPE,
        "attributes": {
            "kind": client.kind.as_str(),
            "state": client.state.as_str(),
            "name": client.metadata.client_name(),
            "description": client.description,
            "onboarding_url": client.onboarding_url,
            "redirect_uris": redirect_uris,
            "scopes": client.metadata.scope().names().collect::<Vec<_>>(),
            "revision": client.revision,
            "listed": client.is_listed,
            "created_at": client.created_at.to_rfc3339(),
            "modified_at": client.modified_at.to_rfc3339(),
            "published_at": client.published_at.map(|at| at.to_rfc3339()),
            "client_secret": secret,
        },
        "relationships": {
            "org": {"data": {"id": client.org_id, "type": "orgs"}},
            "created_by": {"data": created_by},
            "private_client": {"data": {"id": client.pair.private, "type": TYPE}},
            "published_client": {"data": client.pair.published.map(|id| json!({"id": id, "type": TYPE}))},
            "open_version": {
                "data": client.pair.open_version.map(|id| json!({"id": id, "type": VERSION_TYPE})),
            },
        },
    })
}

pub fn version_resource(version: &Version) -> Value {
    let snapshot = &version.snapshot;
    let submitted_by = version.submitted_by.map(|id| json!({"id": id, "type": "users"}));
    json!({
        "id": version.id,
        "type": VERSION_TYPE,
        "attributes": {
            "number": version.number,
            "state": version.state.as_str(),
            "name": snapshot.name,
            "description": snapshot.description,
            "onboarding_url": snapshot.onboarding_url,
            "redirect_uris": snapshot.redirect_uris,
            "scopes": snapshot.scopes.names().collect::<Vec<_>>(),
            "note": version.note,
            "scope_reasons": version.scope_reasons,
            "submitted_at": version.submitted_at.to_rfc3339(),
            "decided_at": version.decided_at.map(|at| at.to_rfc3339()),
            "decision_note": version.decision_note,
            "client_id": version.published_client_id,
        },
        "relationships": {
            "org": {"data": {"id": version.org_id, "type": "orgs"}},
            "private_client": {"data": {"id": version.private_client_id, "type": TYPE}},
            "submitted_by": {"data": submitted_by},
        },
    })
}

/// The only response with the secret itself.
pub fn secret_resource(made: &MadeSecret) -> Value {
    let stored = &made.stored;
    json!({
        "id": stored.id,
        "type": SECRET_TYPE,
        "attributes": {
            "client_id": stored.client_id,
            "client_secret": made.secret.expose(),
            "last4": stored.last_four,
            "created_at": stored.created_at.to_rfc3339(),
            "previous": made.previous.as_ref().map(previous_secret),
        },
    })
}

fn previous_secret(secret: &ClientSecret) -> Value {
    json!({
        "id": secret.id,
        "last4": secret.last_four,
        "expires_at": secret.expires_at.map(|at| at.to_rfc3339()),
    })
}
