//! The organization's own clients and their secrets.

use serde_json::{Value, json};

use crate::http::openapi::clients::{paged, text, with_errors};
use crate::http::openapi::content::{json_api_of, json_of};

pub fn list() -> Value {
    let [size, number] = paged();
    with_errors(json!({
        "operationId": "ListOwnClients",
        "summary": "List the clients of this organization, newest first",
        "parameters": [size, number, text("filter", "Part of the client's name")],
        "responses": {"200": {"description": "One page of clients", "content": json_api_of("OwnClients")}},
    }))
}

pub fn create() -> Value {
    changing(json!({
        "operationId": "CreateOwnClient",
        "summary": "Create a client with a secret for this organization",
        "description": "Only members of this organization can authorize the client. It has no secret \
                        yet. A private scope gets 403.",
        "requestBody": {"required": true, "content": json_of("NewOwnClient")},
        "responses": {"201": {"description": "The client", "content": json_api_of("OwnClientDocument")}},
    }))
}

pub fn show() -> Value {
    with_errors(json!({
        "operationId": "GetOwnClient",
        "summary": "Get a client of this organization",
        "responses": {"200": {"description": "The client, without its secret", "content": json_api_of("OwnClientDocument")}},
    }))
}

pub fn update() -> Value {
    let mut operation = changing(json!({
        "operationId": "UpdateOwnClient",
        "summary": "Change a client of this organization",
        "description": "Attributes that are left out stay as they are. Removed scopes are missing \
                        from the next token and from introspection at once.",
        "requestBody": {"required": true, "content": json_of("OwnClientUpdate")},
        "responses": {"200": {"description": "The client as it is now", "content": json_api_of("OwnClientDocument")}},
    }));
    operation["responses"]["422"] = json!({"$ref": "#/components/responses/JsonApiError"});
    operation
}

pub fn delete() -> Value {
    with_errors(json!({
        "operationId": "DeleteOwnClient",
        "summary": "Delete a client of this organization",
        "description": "Its grants, tokens and secrets end immediately. It can never be used again.",
        "responses": {"204": {"description": "Deleted"}},
    }))
}

pub fn scopes() -> Value {
    with_errors(json!({
        "operationId": "ListOwnClientScopes",
        "summary": "List the scopes that a client can request, and those that it does",
        "parameters": [text("filter", "Part of the name or the description")],
        "responses": {"200": {"description": "The scopes of the catalog", "content": json_api_of("OwnClientScopes")}},
    }))
}

pub fn generate_secret() -> Value {
    conflicting(with_errors(json!({
        "operationId": "CreateClientSecret",
        "summary": "Create the first secret of a client",
        "description": "The secret is in this response and in no other.",
        "responses": {"201": {"description": "The secret", "content": json_api_of("ClientSecretDocument")}},
    })))
}

pub fn regenerate_secret() -> Value {
    changing(json!({
        "operationId": "RegenerateClientSecret",
        "summary": "Replace the secret of a client",
        "description": "Tokens and grants stay. The previous secret stops working at once, or at \
                        `overlap_until`. Of three secrets, the oldest ends.",
        "requestBody": {"required": false, "content": json_of("RegenerateClientSecret")},
        "responses": {"200": {"description": "The new secret", "content": json_api_of("ClientSecretDocument")}},
    }))
}

pub fn end_secret() -> Value {
    conflicting(with_errors(json!({
        "operationId": "DeleteClientSecret",
        "summary": "End the previous secret of a client before its time",
        "responses": {"204": {"description": "Ended"}},
    })))
}

/// An operation with a body, which can conflict with the state of the organization.
fn changing(operation: Value) -> Value {
    let mut operation = conflicting(with_errors(operation));
    for status in ["413", "415"] {
        operation["responses"][status] = json!({"$ref": "#/components/responses/JsonApiError"});
    }
    operation
}

fn conflicting(mut operation: Value) -> Value {
    operation["responses"]["409"] = json!({"$ref": "#/components/responses/JsonApiError"});
    operation
}

fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn id() -> Value {
    json!({"type": "string", "format": "uuid"})
}

/// The attributes that callers set.
fn attributes() -> Value {
    json!({
        "name": {"type": "string", "maxLength": 100},
        "redirect_uris": {
            "type": "array",
            "minItems": 1,
            "maxItems": 20,
            "items": {"type": "string"},
            "description": "https, all on one host; or http on this machine",
        },
        "onboarding_url": {
            "type": ["string", "null"],
            "description": "Where people begin to connect the client",
        },
        "description": {"type": ["string", "null"], "maxLength": 500},
        "scopes": {
            "type": "array",
            "items": {"type": "string"},
            "description": "What the client may get at most",
        },
    })
}

fn previous_secret() -> Value {
    json!({
        "type": ["object", "null"],
        "required": ["id", "last4", "expires_at"],
        "properties": {"id": id(), "last4": {"type": "string"}, "expires_at": time()},
    })
}

fn all_attributes() -> Value {
    let mut all = attributes();
    all["kind"] = json!({"const": "private"});
    all["state"] = json!({"const": "private"});
    all["revision"] = json!({"type": "integer", "description": "Counts the changes, from 1"});
    all["listed"] = json!({"type": "boolean"});
    all["created_at"] = time();
    all["modified_at"] = time();
    all["published_at"] = json!({"type": ["string", "null"], "format": "date-time"});
    all["client_secret"] = json!({
        "type": ["object", "null"],
        "required": ["id", "last4", "created_at", "last_used_at", "previous"],
        "properties": {
            "id": id(),
            "last4": {"type": "string"},
            "created_at": time(),
            "last_used_at": {"type": ["string", "null"], "format": "date-time"},
            "previous": previous_secret(),
        },
    });
    all
}

fn document(properties: Value, required: &[&str]) -> Value {
    json!({
        "type": "object",
        "required": ["data"],
        "properties": {"data": {"type": "object", "required": required, "properties": properties}},
    })
}

pub fn schemas() -> Value {
    let own_client = json!({"$ref": "#/components/schemas/OwnClient"});
    let kind = json!({"const": "oauth2_clients"});
    json!({
        "OwnClient": {
            "type": "object",
            "required": ["id", "type", "attributes", "relationships"],
            "properties": {
                "id": id(),
                "type": kind,
                "attributes": {"type": "object", "properties": all_attributes()},
                "relationships": {"type": "object"},
            },
        },
        "OwnClientDocument": {
            "type": "object", "required": ["data"], "properties": {"data": own_client},
        },
        "OwnClients": {
            "type": "object",
            "required": ["data", "meta"],
            "properties": {
                "data": {"type": "array", "items": own_client},
                "meta": {"type": "object"},
            },
        },
        "OwnClientScopes": {
            "type": "object",
            "required": ["data"],
            "properties": {"data": {"type": "array", "items": {"type": "object"}}},
        },
        "NewOwnClient": document(
            json!({
                "type": kind,
                "attributes": {
                    "type": "object",
                    "required": ["name", "redirect_uris"],
                    "properties": attributes(),
                },
            }),
            &["type", "attributes"],
        ),
        "OwnClientUpdate": document(
            json!({
                "id": id(),
                "type": kind,
                "attributes": {"type": "object", "properties": attributes()},
            }),
            &["id", "type"],
        ),
        "RegenerateClientSecret": regenerate(),
        "ClientSecretDocument": document(
            json!({
                "id": id(),
                "type": {"const": "client_secrets"},
                "attributes": {
                    "type": "object",
                    "required": ["client_id", "client_secret", "last4", "created_at", "previous"],
                    "properties": {
                        "client_id": id(),
                        "client_secret": {"type": "string"},
                        "last4": {"type": "string"},
                        "created_at": time(),
                        "previous": previous_secret(),
                    },
                },
            }),
            &["id", "type", "attributes"],
        ),
    })
}

fn regenerate() -> Value {
    let overlap_until = json!({
        "type": ["string", "null"],
        "format": "date-time",
        "description": "Until then, the previous secret works too",
    });
    document(
        json!({
            "type": {"const": "client_secrets"},
            "attributes": {"type": "object", "properties": {"overlap_until": overlap_until}},
        }),
        &["type"],
    )
}
