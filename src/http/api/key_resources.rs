//! The resources of the key endpoints. The published clients have a model for each, so there are no
//! other members.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::db::engine::Db;
use crate::db::engine::error::DbError;
use crate::db::keys::api_keys::ApiKey;
use crate::db::keys::application_keys::ApplicationKey;
use crate::db::users;
use crate::http::api::authorized_resources::user;
use crate::rules::id::UserId;
use crate::rules::identity::key_query::category_of_client;
use crate::rules::secret::Secret;
use crate::rules::timestamp::Timestamp;

pub fn api_key(key: &ApiKey) -> Value {
    let mut attributes = json!({
        "created_at": key.created_at.to_rfc3339(),
        "modified_at": key.modified_at.to_rfc3339(),
        "last4": key.last_four,
        "name": key.name,
        "date_last_used": key.last_used_at.map(Timestamp::to_rfc3339),
    });
    if let Some(client_id) = key.client_id {
        attributes["category"] = json!(category_of_client(client_id));
    }
    let mut relationships = json!({"modified_by": {"data": key.modified_by.map(user_identifier)}});
    // The models allow null only for the user of the last change.
    if let Some(created_by) = key.created_by {
        relationships["created_by"] = json!({"data": user_identifier(created_by)});
    }
    json!({
        "id": key.id,
        "type": "api_keys",
        "attributes": attributes,
        "relationships": relationships,
    })
}

pub fn application_key(key: &ApplicationKey, owner: UserId) -> Value {
    json!({
        "id": key.id,
        "type": "application_keys",
        "attributes": {
            "created_at": key.created_at.to_rfc3339(),
            "last4": key.last_four,
            "name": key.name,
            "scopes": key.scopes,
            "last_used_at": key.last_used_at.map(Timestamp::to_rfc3339),
        },
        "relationships": {"owned_by": {"data": user_identifier(owner)}},
    })
}

/// The only response with the key itself.
pub fn created(mut resource: Value, secret: &Secret) -> Response {
    resource["attributes"]["key"] = json!(secret.expose());
    let document = Json(json!({"data": resource}));
    (StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], document).into_response()
}

/// The `included` member. Users who were removed are left out.
pub async fn included_users(db: &Db, mut ids: Vec<UserId>) -> Result<Value, DbError> {
    ids.sort_unstable();
    ids.dedup();
    Ok(users::list_by_id(db, &ids).await?.iter().map(user).collect())
}

fn user_identifier(id: UserId) -> Value {
    json!({"id": id, "type": "users"})
}
