//! The JSON:API resources of the authorized-clients endpoints. The published clients have a model
//! for each, so every member is always present, and there are no others.

use std::collections::BTreeSet;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::db::authorizations::Authorization;
use crate::db::clients::Client;
use crate::db::orgs::org_clients::AuthorizedClient;
use crate::db::users::User;
use crate::http::error::JSON_API;
use crate::rules::scope::ScopeSet;
use crate::rules::scope::catalog::ScopeCatalog;

pub const PATH: &str = "/api/v2/org_authorized_clients";

/// `related` are the authorizations that the response may list.
pub fn org_client(authorized: &AuthorizedClient, related: &[Authorization]) -> Value {
    let related = related.iter().filter(|related| related.grant.client_id == authorized.client_id);
    let related: Vec<Value> =
        related.map(|related| identifier("user_authorized_clients", related.grant.id)).collect();
    let id = authorized.id;
    json!({
        "id": id,
        "type": "org_authorized_clients",
        "attributes": {
            "disabled": authorized.disabled_at.is_some(),
            "last_exercised": authorized.last_used_at.map(|at| at.to_rfc3339()),
            "user_count": authorized.user_count,
        },
        "relationships": {
            "oauth2_client": {"data": identifier("oauth2_clients", authorized.client_id)},
            "user_authorized_clients": {
                "data": related,
                "links": {"related": format!("{PATH}/{id}/user_authorized_clients")},
            },
        },
    })
}

/// The authorization of one user. `org_disabled` is set if the organization has disabled the
/// client.
pub fn user_client(authorization: &Authorization, org_disabled: bool) -> Value {
    let Authorization { grant, user } = authorization;
    let scopes: Vec<Value> = grant.scopes.names().map(|name| identifier("scopes", name)).collect();
    json!({
        "id": grant.id,
        "type": "user_authorized_clients",
        "attributes": {
            "created_at": grant.created_at.to_rfc3339(),
            "modified_at": grant.modified_at.to_rfc3339(),
            "last_exercised": grant.last_used_at.map(|at| at.to_rfc3339()),
            "disabled": grant.revoked_at.is_some(),
            "org_disabled": org_disabled,
        },
        "relationships": {
            "oauth2_client": {"data": identifier("oauth2_clients", grant.client_id)},
            "scopes": {"data": scopes},
            "user": {"data": identifier("users", user.id)},
        },
    })
}

pub fn user(user: &User) -> Value {
    let attributes =
        json!({"name": user.name, "email": user.email, "disabled": user.disabled_at.is_some()});
    json!({"id": user.id, "type": "users", "attributes": attributes})
}

/// The scopes are those that the client registered.
pub fn client(client: &Client) -> Value {
    let redirect_uris: Vec<&str> =
        client.metadata.redirect_uris().iter().map(|uri| uri.as_str()).collect();
    let scopes: Vec<Value> =
        client.metadata.scope().names().map(|name| identifier("scopes", name)).collect();
    json!({
        "id": client.id,
        "type": "oauth2_clients",
        "attributes": {"name": client.metadata.client_name().as_str(), "redirect_uris": redirect_uris},
        "relationships": {"scopes": {"data": scopes}},
    })
}

/// The scopes that are still in the catalog.
pub fn scopes<'a>(
    scopes: &'a ScopeSet,
    catalog: &'a ScopeCatalog,
) -> impl Iterator<Item = Value> + 'a {
    scopes.names().filter_map(|name| catalog.find(name)).map(|scope| {
        let name = scope.name.as_str();
        json!({"id": name, "type": "scopes", "attributes": {"name": name, "description": scope.description}})
    })
}

fn identifier(kind: &str, id: impl serde::Serialize) -> Value {
    json!({"id": id, "type": kind})
}

/// The `included` member, with every resource once.
#[derive(Default)]
pub struct Included {
    known: BTreeSet<String>,
    resources: Vec<Value>,
}

impl Included {
    pub fn push(&mut self, resource: Value) {
        if self.known.insert(format!("{}/{}", resource["type"], resource["id"])) {
            self.resources.push(resource);
        }
    }

    pub fn into_value(self) -> Value {
        Value::from(self.resources)
    }
}

/// Accepts only the form that responses use: lowercase or uppercase, with hyphens.
pub fn uuid(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|id| id.to_string().eq_ignore_ascii_case(text))
}

pub fn counts(total: u64, filtered: u64) -> Value {
    json!({"page": {"total_count": total, "total_filtered_count": filtered}})
}

pub fn json_api_response(document: &Value) -> Response {
    let mut response = axum::Json(document).into_response();
    response.headers_mut().insert(CONTENT_TYPE, JSON_API);
    response
}
