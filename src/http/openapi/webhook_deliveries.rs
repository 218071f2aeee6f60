//! What webhooks were sent, and how it is sent again.

use serde_json::{Value, json};

use crate::db::webhooks::deliveries::State;
use crate::http::api::webhook_deliveries::{DEFAULT_SIZE, MOST};
use crate::http::openapi::json_of;
use crate::rules::identity::permission::Permission;
use crate::rules::webhook::event::Event;

pub fn paths() -> Value {
    json!({
        "/api/v1/integration/webhooks/configuration/webhooks/{webhook_name}/deliveries": {
            "parameters": [webhook_name()],
            "get": listing(),
        },
        "/api/v1/integration/webhooks/configuration/webhooks/{webhook_name}/deliveries/replay": {
            "parameters": [webhook_name()],
            "post": replaying("ReplayWebhookDeliveries", "Send all parked deliveries of a webhook again"),
        },
        "/api/v1/integration/webhooks/configuration/webhooks/{webhook_name}/deliveries/{delivery_id}/replay": {
            "parameters": [
                webhook_name(),
                {"name": "delivery_id", "in": "path", "required": true, "schema": {"type": "string", "format": "uuid"}},
            ],
            "post": replaying("ReplayWebhookDelivery", "Send one parked delivery again"),
        },
    })
}

pub fn schemas() -> Value {
    json!({
        "WebhookDeliveries": {
            "type": "object",
            "required": ["data"],
            "properties": {"data": {"type": "array", "items": {"$ref": "#/components/schemas/WebhookDelivery"}}},
        },
        "WebhookDelivery": {
            "type": "object",
            "required": ["id", "type", "attributes"],
            "properties": {
                "id": {"type": "string", "format": "uuid", "description": "The webhook-id that the receiver sees"},
                "type": {"const": "webhook_deliveries"},
                "attributes": attributes(),
            },
        },
        "WebhookReplay": {
            "type": "object",
            "required": ["meta"],
            "properties": {"meta": {
                "type": "object",
                "required": ["replayed"],
                "properties": {"replayed": {"type": "integer", "description": "How many wait again"}},
            }},
        },
    })
}

fn attributes() -> Value {
    let time = json!({"type": ["string", "null"], "format": "date-time"});
    json!({
        "type": "object",
        "required": [
            "event", "client_id", "occurred_at", "state", "attempts", "attempted_at", "status", "failure", "finished_at",
        ],
        "properties": {
            "event": {"enum": Event::KINDS},
            "client_id": {"type": ["string", "null"], "format": "uuid", "description": "null where it is about no client"},
            "occurred_at": {"type": "string", "format": "date-time"},
            "state": {"enum": State::ALL.map(State::as_str)},
            "attempts": {"type": "integer"},
            "attempted_at": time,
            "status": {"type": ["integer", "null"], "description": "Of the last answer; null where there was none"},
            "failure": {"type": ["string", "null"], "description": "What went wrong at the last attempt, in words"},
            "finished_at": time,
        },
    })
}

fn listing() -> Value {
    let size = json!({"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT_SIZE});
    let mut listing = operation(json!({
        "operationId": "ListWebhookDeliveries",
        "summary": "What a webhook was sent, what waits and what was given up, the newest first",
        "parameters": [
            in_query("state", &json!({"enum": State::ALL.map(State::as_str)})),
            in_query("page_size", &size),
            {
                "name": "before", "in": "query", "schema": {"type": "string", "format": "uuid"},
                "description": "The id of the last one of the page before",
            },
        ],
        "responses": {"200": {"description": "At most page_size of them", "content": json_of("WebhookDeliveries")}},
    }));
    listing["responses"]["400"] = json!({"$ref": "#/components/responses/Errors"});
    listing
}

fn replaying(name: &str, summary: &str) -> Value {
    operation(json!({
        "operationId": name,
        "summary": summary,
        "responses": {"202": {"description": "They wait, before what came later", "content": json_of("WebhookReplay")}},
    }))
}

/// With what can go wrong everywhere.
fn operation(mut operation: Value) -> Value {
    let permission = Permission::ManageIntegrations.as_str();
    operation["security"] = json!([{"apiKeyAuth": [], "appKeyAuth": []}, {"bearerAuth": [permission]}]);
    for status in ["403", "404", "503"] {
        operation["responses"][status] = json!({"$ref": "#/components/responses/Errors"});
    }
    for (status, response) in [("401", "Unauthorized"), ("429", "TooManyRequests")] {
        operation["responses"][status] = json!({"$ref": format!("#/components/responses/{response}")});
    }
    operation
}

fn webhook_name() -> Value {
    json!({"name": "webhook_name", "in": "path", "required": true, "schema": {"type": "string"}})
}

fn in_query(name: &str, schema: &Value) -> Value {
    json!({"name": name, "in": "query", "schema": schema})
}
