//! Webhooks and their variables.

use serde_json::{Value, json};

use crate::http::openapi::json_of;
use crate::rules::identity::permission::Permission;
use crate::rules::webhook::event::Event;
use crate::rules::webhook::{Encoding, LONGEST_NAME, receiver_url, variable};

pub fn paths() -> Value {
    json!({
        "/api/v1/integration/webhooks/configuration/webhooks": {
            "get": listing("ListWebhooksIntegrations", "The webhooks of this organisation, by name", "Webhooks"),
            "post": creating("CreateWebhooksIntegration", "Make a webhook", "NewWebhook", "Webhook"),
        },
        "/api/v1/integration/webhooks/configuration/webhooks/{webhook_name}": {
            "parameters": [in_path("webhook_name")],
            "get": showing("GetWebhooksIntegration", "One webhook", "Webhook"),
            "put": updating("UpdateWebhooksIntegration", "Change a webhook", "WebhookChange", "Webhook"),
            "delete": deleting("DeleteWebhooksIntegration", "Delete a webhook, with all that waits to be sent there"),
        },
        "/api/v1/integration/webhooks/configuration/custom-variables": {
            "get": listing(
                "ListWebhooksIntegrationCustomVariables", "The custom variables of this organisation, by name", "WebhookVariables"),
            "post": creating(
                "CreateWebhooksIntegrationCustomVariable", "Make a custom variable", "NewWebhookVariable", "WebhookVariable"),
        },
        "/api/v1/integration/webhooks/configuration/custom-variables/{custom_variable_name}": {
            "parameters": [in_path("custom_variable_name")],
            "get": showing("GetWebhooksIntegrationCustomVariable", "One custom variable", "WebhookVariable"),
            "put": updating(
                "UpdateWebhooksIntegrationCustomVariable", "Change a custom variable", "WebhookVariableChange", "WebhookVariable"),
            "delete": deleting("DeleteWebhooksIntegrationCustomVariable", "Delete a custom variable"),
        },
    })
}

pub fn schemas() -> Value {
    let (written, variable) = (written(), variable());
    json!({
        "NewWebhook": {"type": "object", "required": ["name", "url"], "properties": written},
        "WebhookChange": {"type": "object", "properties": with(&written, "rotate_signing_secret", json!({
            "type": "boolean", "default": false,
            "description": "Answer a new signing secret; the former one signs beside it for a day"}))},
        "Webhook": {
            "type": "object",
            "required": ["name", "url", "encode_as", "payload", "custom_headers", "auth_method_id", "events"],
            "properties": with(&written, "signing_secret", json!({
                "type": "string", "description": "whsec_ and base64. Only where it is new: it is told once"})),
        },
        "Webhooks": {"type": "array", "items": {"$ref": "#/components/schemas/Webhook"}},
        "NewWebhookVariable": {"type": "object", "required": ["name", "value", "is_secret"], "properties": variable},
        "WebhookVariableChange": {
            "type": "object",
            "description": "What is secret stays so unless a new value comes with is_secret: false",
            "properties": variable,
        },
        "WebhookVariable": {
            "type": "object",
            "description": "Without its value where it is secret",
            "required": ["name", "is_secret"],
            "properties": variable,
        },
        "WebhookVariables": {"type": "array", "items": {"$ref": "#/components/schemas/WebhookVariable"}},
    })
}

fn written() -> Value {
    let encodings = Encoding::ALL.map(Encoding::name);
    json!({
        "name": {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME},
        "url": {"type": "string", "format": "uri", "maxLength": receiver_url::LONGEST},
        "encode_as": {"enum": encodings, "default": Encoding::default().name()},
        "payload": {"type": ["string", "null"], "description": "The text of a JSON object with $VARIABLES in its strings; null for the event as it is"},
        "custom_headers": {"type": ["string", "null"], "description": "The text of a JSON object of strings with $VARIABLES in them"},
        "auth_method_id": {"type": ["string", "null"], "format": "uuid", "description": "How to get an access token for the receiver"},
        "events": {"type": ["array", "null"], "items": {"enum": Event::KINDS}, "minItems": 1, "description": "The kinds that are sent; null for all"},
    })
}

fn variable() -> Value {
    let pattern = format!("^[A-Z0-9_]{{1,{}}}$", variable::LONGEST_NAME);
    json!({
        "name": {"type": "string", "pattern": pattern},
        "value": {"type": "string", "maxLength": variable::LONGEST_VALUE},
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
            "responses": {"200": {"description": "All of them", "content": json_of(schema)}},
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
            "responses": {"201": {"description": "Made", "content": json_of(schema)}},
        }),
    )
}

fn showing(name: &str, summary: &str, schema: &str) -> Value {
    operation(
        &["404"],
        json!({
            "operationId": name,
            "summary": summary,
            "responses": {"200": {"description": "As it is", "content": json_of(schema)}},
        }),
    )
}

fn updating(name: &str, summary: &str, sent: &str, schema: &str) -> Value {
    operation(
        &["400", "404", "409", "413", "415"],
        json!({
            "operationId": name,
            "summary": summary,
            "description": "What is left out stays as it is; null clears what can be null",
            "requestBody": {"required": true, "content": json_of(sent)},
            "responses": {"200": {"description": "As it is now", "content": json_of(schema)}},
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

/// With what can go wrong everywhere.
fn operation(errors: &[&str], mut operation: Value) -> Value {
    let permission = Permission::ManageIntegrations.as_str();
    operation["security"] = json!([{"apiKeyAuth": [], "appKeyAuth": []}, {"bearerAuth": [permission]}]);
    for status in errors.iter().chain(&["403", "503"]) {
        operation["responses"][*status] = json!({"$ref": "#/components/responses/Errors"});
    }
    for (status, response) in [("401", "Unauthorized"), ("429", "TooManyRequests")] {
        operation["responses"][status] = json!({"$ref": format!("#/components/responses/{response}")});
    }
    operation
}

fn in_path(name: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
}
