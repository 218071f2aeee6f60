//! API keys and application keys.

use serde_json::{Value, json};

use crate::http::api::key_query::{API_KEY_INCLUDES, APPLICATION_KEY_INCLUDES};
use crate::http::openapi::clients::{paged, text};
use crate::http::openapi::content::json_of;
use crate::rules::identity::key_name;
use crate::rules::identity::key_query::KeyOrder;

const LIMITED: &str = "A request with an application key that is limited to scopes can only limit \
                       the key to some of these scopes.";

pub fn list_api_keys() -> Value {
    let [size, number] = paged();
    operation(
        &["400"],
        json!({
            "operationId": "ListAPIKeys",
            "summary": "List the API keys of this organization",
            "parameters": [
                size,
                number,
                sort(&KeyOrder::OF_API_KEYS),
                text("filter", "Part of the name"),
                time("filter[created_at][start]", "Only keys that were created at or after this time"),
                time("filter[created_at][end]", "Only keys that were created at or before this time"),
                time("filter[modified_at][start]", "Only keys that were changed at or after this time"),
                time("filter[modified_at][end]", "Only keys that were changed at or before this time"),
                text("filter[category]", "The category of the keys that a client created"),
                include(&API_KEY_INCLUDES),
            ],
            "responses": {"200": {"description": "One page of keys, without revoked ones", "content": json_of("ApiKeys")}},
        }),
    )
}

pub fn create_api_key() -> Value {
    writing(json!({
        "operationId": "CreateAPIKey",
        "summary": "Create an API key",
        "description": "The key is in this response and in no other.",
        "requestBody": {"required": true, "content": json_of("NewApiKey")},
        "responses": {"201": {"description": "The key", "content": json_of("ApiKeyDocument")}},
    }))
}

pub fn create_marketplace_key() -> Value {
    operation(
        &["409"],
        json!({
            "operationId": "CreateMarketplaceAPIKey",
            "summary": "Create the API key of an app",
            "description": "An app sends the access token of a user, and gets an API key for the \
                            organization of that user. It has one such key at a time: while the key \
                            exists, another request gets 409. The key ends when it is deleted, and \
                            when the app is disabled or deleted, but not when the user revokes the \
                            app. The key is in this response and in no other.",
            "responses": {"201": {"description": "The key", "content": json_of("ApiKeyDocument")}},
        }),
    )
}

pub fn show_api_key() -> Value {
    operation(
        &["400", "404"],
        json!({
            "operationId": "GetAPIKey",
            "summary": "Get an API key",
            "parameters": [include(&API_KEY_INCLUDES)],
            "responses": {"200": {"description": "The key, without the key itself", "content": json_of("ApiKeyDocument")}},
        }),
    )
}

pub fn update_api_key() -> Value {
    changing(json!({
        "operationId": "UpdateAPIKey",
        "summary": "Rename an API key",
        "requestBody": {"required": true, "content": json_of("ApiKeyUpdate")},
        "responses": {"200": {"description": "The key as it is now", "content": json_of("ApiKeyDocument")}},
    }))
}

pub fn delete_api_key() -> Value {
    operation(
        &["404"],
        json!({
            "operationId": "DeleteAPIKey",
            "summary": "Delete an API key",
            "description": "All servers refuse the key within five seconds. The key of this very \
                            request gets 403.",
            "responses": {"204": {"description": "Deleted"}},
        }),
    )
}

pub fn list_application_keys() -> Value {
    let [size, number] = paged();
    operation(
        &["400"],
        json!({
            "operationId": "ListCurrentUserApplicationKeys",
            "summary": "List your own application keys in this organization",
            "parameters": [
                size,
                number,
                sort(&KeyOrder::OF_APPLICATION_KEYS),
                text("filter", "Part of the name"),
                time("filter[created_at][start]", "Only keys that were created at or after this time"),
                time("filter[created_at][end]", "Only keys that were created at or before this time"),
                include(&APPLICATION_KEY_INCLUDES),
            ],
            "responses": {
                "200": {"description": "One page of keys, without revoked ones", "content": json_of("ApplicationKeys")},
            },
        }),
    )
}

pub fn create_application_key() -> Value {
    let description = format!("The key is in this response and in no other. {LIMITED}");
    writing(json!({
        "operationId": "CreateCurrentUserApplicationKey",
        "summary": "Create an application key for yourself",
        "description": description,
        "requestBody": {"required": true, "content": json_of("NewApplicationKey")},
        "responses": {"201": {"description": "The key", "content": json_of("ApplicationKeyDocument")}},
    }))
}

pub fn show_application_key() -> Value {
    let content = json_of("ApplicationKeyDocument");
    operation(
        &["400", "404"],
        json!({
            "operationId": "GetCurrentUserApplicationKey",
            "summary": "Get one of your application keys",
            "parameters": [include(&APPLICATION_KEY_INCLUDES)],
            "responses": {"200": {"description": "The key, without the key itself", "content": content}},
        }),
    )
}

pub fn update_application_key() -> Value {
    let content = json_of("ApplicationKeyDocument");
    changing(json!({
        "operationId": "UpdateCurrentUserApplicationKey",
        "summary": "Change one of your application keys",
        "description": format!("Attributes that are left out stay as they are. {LIMITED}"),
        "requestBody": {"required": true, "content": json_of("ApplicationKeyUpdate")},
        "responses": {"200": {"description": "The key as it is now", "content": content}},
    }))
}

pub fn delete_application_key() -> Value {
    operation(
        &["404"],
        json!({
            "operationId": "DeleteCurrentUserApplicationKey",
            "summary": "Delete one of your application keys",
            "description": "All servers refuse the key within five seconds.",
            "responses": {"204": {"description": "Deleted"}},
        }),
    )
}

/// An operation that creates a key.
fn writing(described: Value) -> Value {
    operation(&["400", "409", "413", "415"], described)
}

/// An operation that changes a key.
fn changing(described: Value) -> Value {
    operation(&["400", "404", "413", "415", "422"], described)
}

/// An operation with these errors, and those of every operation.
pub(super) fn operation(errors: &[&str], mut operation: Value) -> Value {
    for status in errors.iter().chain(&["403", "503"]) {
        operation["responses"][*status] = json!({"$ref": "#/components/responses/Errors"});
    }
    for (status, response) in [("401", "Unauthorized"), ("429", "TooManyRequests")] {
        operation["responses"][status] =
            json!({"$ref": format!("#/components/responses/{response}")});
    }
    operation
}

fn sort(orders: &[KeyOrder]) -> Value {
    let names = orders.iter().map(|order| order.as_str());
    let names: Vec<String> = names.flat_map(|name| [name.to_owned(), format!("-{name}")]).collect();
    json!({"name": "sort", "in": "query", "schema": {"enum": names, "default": "name"}})
}

fn include(names: &[&str]) -> Value {
    let mut parameter = text("include", "The related users to return in `included`");
    parameter["schema"] = json!({"type": "array", "items": {"enum": names}});
    parameter["style"] = json!("form");
    parameter["explode"] = json!(false);
    parameter
}

fn time(name: &str, description: &str) -> Value {
    let mut parameter = text(name, description);
    parameter["schema"]["format"] = json!("date-time");
    parameter
}

pub(super) fn timestamp() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn timestamp_or_null(description: &str) -> Value {
    json!({"type": ["string", "null"], "format": "date-time", "description": description})
}

pub(super) fn id() -> Value {
    json!({"type": "string", "format": "uuid"})
}

fn name() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": key_name::MAX_LENGTH})
}

fn scopes() -> Value {
    json!({
        "type": ["array", "null"],
        "items": {"type": "string"},
        "description": "The scopes to which the key is limited; null for everything that the role \
                        of its user permits",
    })
}

fn user() -> Value {
    let data = json!({"type": "object", "properties": {"id": id(), "type": {"const": "users"}}});
    json!({"type": "object", "properties": {"data": data}})
}

fn user_or_null() -> Value {
    let mut user = user();
    user["properties"]["data"]["type"] = json!(["object", "null"]);
    user
}

const LAST_USED: &str = "When the key was last used, to the minute";
const SECRET: &str = "The key itself, only in the response that creates it";

fn api_key() -> Value {
    json!({
        "type": "object",
        "required": ["id", "type", "attributes", "relationships"],
        "properties": {
            "id": id(),
            "type": {"const": "api_keys"},
            "attributes": {
                "type": "object",
                "required": ["created_at", "modified_at", "last4", "name", "date_last_used"],
                "properties": {
                    "created_at": timestamp(),
                    "modified_at": timestamp(),
                    "last4": {"type": "string"},
                    "name": name(),
                    "date_last_used": timestamp_or_null(LAST_USED),
                    "category": {
                        "type": "string",
                        "description": "`oauth_client:` and the ID of the client that created the \
                                        key, if one did",
                    },
                    "key": {"type": "string", "description": SECRET},
                },
            },
            "relationships": {
                "type": "object",
                "required": ["modified_by"],
                "properties": {"created_by": user(), "modified_by": user_or_null()},
            },
        },
    })
}

fn application_key() -> Value {
    json!({
        "type": "object",
        "required": ["id", "type", "attributes", "relationships"],
        "properties": {
            "id": id(),
            "type": {"const": "application_keys"},
            "attributes": {
                "type": "object",
                "required": ["created_at", "last4", "name", "scopes", "last_used_at"],
                "properties": {
                    "created_at": timestamp(),
                    "last4": {"type": "string"},
                    "name": name(),
                    "scopes": scopes(),
                    "last_used_at": timestamp_or_null(LAST_USED),
                    "key": {"type": "string", "description": SECRET},
                },
            },
            "relationships": {
                "type": "object",
                "required": ["owned_by"],
                "properties": {"owned_by": user()},
            },
        },
    })
}

/// A document about one key, or a page of them.
fn document(data: Value, meta: Option<Value>) -> Value {
    let required = if meta.is_some() { json!(["data", "meta"]) } else { json!(["data"]) };
    let mut properties = json!({
        "data": data,
        "included": {"type": "array", "items": {"type": "object"}},
    });
    if let Some(meta) = meta {
        properties["meta"] = meta;
    }
    json!({"type": "object", "required": required, "properties": properties})
}

fn page_of(schema: &str) -> Value {
    json!({"type": "array", "items": {"$ref": format!("#/components/schemas/{schema}")}})
}

fn meta(max: &str) -> Value {
    let page =
        json!({"type": "object", "properties": {"total_filtered_count": {"type": "integer"}}});
    let mut properties = json!({"page": page});
    properties[max] = json!({"type": "integer", "description": "How many keys may exist"});
    json!({"type": "object", "properties": properties})
}

/// The body of a request.
fn request(kind: &str, attributes: Value, required: &[&str], is_new: bool) -> Value {
    let attributes = json!({"type": "object", "required": required, "properties": attributes});
    let mut properties = json!({"type": {"const": kind}, "attributes": attributes});
    if !is_new {
        properties["id"] = id();
    }
    let required =
        if is_new { json!(["type", "attributes"]) } else { json!(["id", "type", "attributes"]) };
    let data = json!({"type": "object", "required": required, "properties": properties});
    json!({"type": "object", "required": ["data"], "properties": {"data": data}})
}

pub fn schemas() -> Value {
    let of_api_key = || json!({"name": name()});
    let of_application_key = || json!({"name": name(), "scopes": scopes()});
    let (api_keys, application_keys) = ("api_keys", "application_keys");
    json!({
        "ApiKey": api_key(),
        "ApiKeyDocument": document(json!({"$ref": "#/components/schemas/ApiKey"}), None),
        "ApiKeys": document(page_of("ApiKey"), Some(meta("max_allowed"))),
        "NewApiKey": request(api_keys, of_api_key(), &["name"], true),
        "ApiKeyUpdate": request(api_keys, of_api_key(), &["name"], false),
        "ApplicationKey": application_key(),
        "ApplicationKeyDocument":
            document(json!({"$ref": "#/components/schemas/ApplicationKey"}), None),
        "ApplicationKeys": document(page_of("ApplicationKey"), Some(meta("max_allowed_per_user"))),
        "NewApplicationKey": request(application_keys, of_application_key(), &["name"], true),
        "ApplicationKeyUpdate": request(application_keys, of_application_key(), &[], false),
    })
}
