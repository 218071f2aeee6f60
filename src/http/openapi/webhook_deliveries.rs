//! Webhook deliveries and their replay.

use serde_json::{Value, json};

use crate::db::webhooks::deliveries::State;
use crate::http::api::webhook_deliveries::{DEFAULT_SIZE, MAX_SIZE};
use crate::http::openapi::content::json_of;
use crate::rules::webhook::event::Event;

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
                "id": {
                    "type": "string",
                    "format": "uuid",
                    "description": "The webhook-id header that the receiver gets",
                },
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
                "properties": {
                    "replayed": {
                        "type": "integer",
                        "description": "Number of deliveries that are waiting again",
                    },
                },
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
            "client_id": {
                "type": ["string", "null"],
                "format": "uuid",
                "description": "null if the event is not about a client",
            },
            "occurred_at": {"type": "string", "format": "date-time"},
            "state": {"enum": State::ALL.map(State::as_str)},
            "attempts": {"type": "integer"},
            "attempted_at": time,
            "status": {
                "type": ["integer", "null"],
                "description": "HTTP status of the last response; null if none arrived",
            },
            "failure": {"type": ["string", "null"], "description": "Why the last attempt failed"},
            "finished_at": time,
        },
    })
}

pub fn list() -> Value {
    let size = json!({
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_SIZE,
        "default": DEFAULT_SIZE,
    });
    let mut listing = operation(json!({
        "operationId": "ListWebhookDeliveries",
        "summary": "List the deliveries of a webhook, newest first",
        "parameters": [
            in_query("state", &json!({"enum": State::ALL.map(State::as_str)})),
            in_query("page_size", &size),
            {
                "name": "before", "in": "query", "schema": {"type": "string", "format": "uuid"},
                "description": "The id of the last delivery on the previous page",
            },
        ],
        "responses": {
            "200": {
                "description": "At most page_size deliveries",
                "content": json_of("WebhookDeliveries"),
            },
        },
    }));
    listing["responses"]["400"] = json!({"$ref": "#/components/responses/Errors"});
    listing
}

pub fn replay() -> Value {
    replaying("ReplayWebhookDeliveries", "Replay all parked deliveries of a webhook")
}

pub fn replay_one() -> Value {
    replaying("ReplayWebhookDelivery", "Replay one parked delivery")
}

fn replaying(name: &str, summary: &str) -> Value {
    operation(json!({
        "operationId": name,
        "summary": summary,
        "responses": {
            "202": {
                "description": "The deliveries are waiting again, ahead of later ones",
                "content": json_of("WebhookReplay"),
            },
        },
    }))
}

/// Adds the errors that all operations share.
fn operation(mut operation: Value) -> Value {
    for status in ["403", "404", "503"] {
        operation["responses"][status] = json!({"$ref": "#/components/responses/Errors"});
    }
    for (status, response) in [("401", "Unauthorized"), ("429", "TooManyRequests")] {
        operation["responses"][status] =
            json!({"$ref": format!("#/components/responses/{response}")});
    }
    operation
}

fn in_query(name: &str, schema: &Value) -> Value {
    json!({"name": name, "in": "query", "schema": schema})
}
