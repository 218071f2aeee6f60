//! Webhooks and custom variables.

use serde_json::{Value, json};

use crate::http::openapi::content::json_of;
use crate::rules::webhook::event::Event;
use crate::rules::webhook::{Encoding, MAX_NAME_LENGTH, receiver_url, variable};

pub fn list_webhooks() -> Value {
    listing(
        "ListWebhooksIntegrations",
        "List the webhooks of this organization by name",
        "Webhooks",
    )
}

pub fn create_webhook() -> Value {
    creating("CreateWebhooksIntegration", "Create a webhook", "NewWebhook", "Webhook")
}

pub fn show_webhook() -> Value {
    showing("GetWebhooksIntegration", "Get a webhook", "Webhook")
}

pub fn update_webhook() -> Value {
    updating("UpdateWebhooksIntegration", "Update a webhook", "WebhookChange", "Webhook")
}

pub fn delete_webhook() -> Value {
    deleting("DeleteWebhooksIntegration", "Delete a webhook and its waiting deliveries")
}

pub fn list_variables() -> Value {
    let summary = "List the custom variables of this organization by name";
    listing("ListWebhooksIntegrationCustomVariables", summary, "WebhookVariables")
}

pub fn create_variable() -> Value {
    let name = "CreateWebhooksIntegrationCustomVariable";
    creating(name, "Create a custom variable", "NewWebhookVariable", "WebhookVariable")
}

pub fn show_variable() -> Value {
    showing("GetWebhooksIntegrationCustomVariable", "Get a custom variable", "WebhookVariable")
}

pub fn update_variable() -> Value {
    let name = "UpdateWebhooksIntegrationCustomVariable";
    updating(name, "Update a custom variable", "WebhookVariableChange", "WebhookVariable")
}

pub fn delete_variable() -> Value {
    deleting("DeleteWebhooksIntegrationCustomVariable", "Delete a custom variable")
}

pub fn schemas() -> Value {
    let writable = writable();
    let variable = variable();
    json!({
        "NewWebhook": {"type": "object", "required": ["name", "url"], "properties": writable},
        "WebhookChange": {"type": "object", "properties": with(&writable, "rotate_signing_secret", json!({
            "type": "boolean", "default": false,
            "description": "Return a new signing secret; the previous one also signs for another day"}))},
        "Webhook": {
            "type": "object",
            "required": ["name", "url", "encode_as", "payload", "custom_headers", "auth_method_id", "events"],
            "properties": with(&writable, "signing_secret", json!({
                "type": "string", "description": "whsec_ and base64; returned only once, when it is new"})),
        },
        "Webhooks": {"type": "array", "items": {"$ref": "#/components/schemas/Webhook"}},
        "NewWebhookVariable": {"type": "object", "required": ["name", "value", "is_secret"], "properties": variable},
        "WebhookVariableChange": {
            "type": "object",
            "description": "A secret variable stays secret unless a new value is sent with \
                            is_secret: false",
            "properties": variable,
        },
        "WebhookVariable": {
            "type": "object",
            "description": "The value is omitted if the variable is secret",
            "required": ["name", "is_secret"],
            "properties": variable,
        },
        "WebhookVariables": {"type": "array", "items": {"$ref": "#/components/schemas/WebhookVariable"}},
    })
}

fn writable() -> Value {
    let encodings = Encoding::ALL.map(Encoding::name);
    json!({
        "name": {"type": "string", "minLength": 1, "maxLength": MAX_NAME_LENGTH},
        "url": {"type": "string", "format": "uri", "maxLength": receiver_url::MAX_LENGTH},
        "encode_as": {"enum": encodings, "default": Encoding::default().name()},
        "payload": {
            "type": ["string", "null"],
            "description": "JSON object as text, with $VARIABLES in its strings; null sends the \
                            event unchanged",
        },
        "custom_headers": {
            "type": ["string", "null"],
            "description": "JSON object of strings as text, with $VARIABLES in the strings",
        },
        "auth_method_id": {
            "type": ["string", "null"],
            "format": "uuid",
            "description": "The auth method that gets an access token for the receiver",
        },
        "events": {
            "type": ["array", "null"],
            "items": {"enum": Event::KINDS},
            "minItems": 1,
            "description": "The event types to send; null sends all",
        },
    })
}

fn variable() -> Value {
    let pattern = format!("^[A-Z0-9_]{{1,{}}}$", variable::MAX_NAME_LENGTH);
    json!({
        "name": {"type": "string", "pattern": pattern},
        "value": {"type": "string", "maxLength": variable::MAX_VALUE_LENGTH},
        "is_secret": {"type": "boolean"},
    })
}

fn with(properties: &Value, name: &str, property: Value) -> Value {
    let mut properties = properties.clone();
    properties[name] = property;
    properties
}

fn listing(name: &str, summary: &str, schema: &str) -> Value {
    operation(
        &[],
        json!({
            "operationId": name,
            "summary": summary,
            "responses": {"200": {"description": "The complete list", "content": json_of(schema)}},
        }),
    )
}

fn creating(name: &str, summary: &str, sent: &str, schema: &str) -> Value {
    operation(
        &["400", "409", "413", "415"],
        json!({
            "operationId": name,
            "summary": summary,
            "requestBody": {"required": true, "content": json_of(sent)},
            "responses": {"201": {"description": "Created", "content": json_of(schema)}},
        }),
    )
}

fn showing(name: &str, summary: &str, schema: &str) -> Value {
    operation(
        &["404"],
        json!({
            "operationId": name,
            "summary": summary,
            "responses": {"200": {"description": "The current state", "content": json_of(schema)}},
        }),
    )
}

fn updating(name: &str, summary: &str, sent: &str, schema: &str) -> Value {
    operation(
        &["400", "404", "409", "413", "415"],
        json!({
            "operationId": name,
            "summary": summary,
            "description": "Omitted members keep their values; null clears a member that can be \
                            null",
            "requestBody": {"required": true, "content": json_of(sent)},
            "responses": {"200": {"description": "The updated state", "content": json_of(schema)}},
        }),
    )
}

fn deleting(name: &str, summary: &str) -> Value {
    operation(
        &["404"],
        json!({
            "operationId": name,
            "summary": summary,
            "responses": {"200": {"description": "Deleted; the body is empty"}},
        }),
    )
}

/// Adds the errors that all operations share.
fn operation(errors: &[&str], mut operation: Value) -> Value {
    for status in errors.iter().chain(&["403", "503"]) {
        operation["responses"][*status] = json!({"$ref": "#/components/responses/Errors"});
    }
    for (status, response) in [("401", "Unauthorized"), ("429", "TooManyRequests")] {
        operation["responses"][status] =
            json!({"$ref": format!("#/components/responses/{response}")});
    }
    operation
}
