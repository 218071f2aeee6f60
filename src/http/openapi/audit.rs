//! The audit trail.

use serde_json::{Value, json};

use crate::http::openapi::clients::text;
use crate::http::openapi::content::json_of;
use crate::http::openapi::keys::operation;

const QUERY: &str = "Words of the message, `@evt.name:`, `@usr.id:`, `@asset.id:` and `@asset.type:`, all of \
                     which must match. A trailing `*` matches any rest";
const TIME: &str = "A time such as `2026-11-30T08:00:00Z` or `now-15m`";

pub fn list() -> Value {
    operation(
        &["400"],
        json!({
            "operationId": "ListAuditLogs",
            "summary": "List the audit events of this organization",
            "parameters": [
                text("filter[query]", QUERY),
                text("filter[from]", TIME),
                text("filter[to]", TIME),
                text("sort", "`-timestamp` (default) or `timestamp`"),
                text("page[limit]", "1 to 1000; 10 if it is left out"),
                text("page[cursor]", "`meta.page.after` of the page before"),
            ],
            "responses": {"200": {"description": "One page of events", "content": json_of("AuditEvents")}},
        }),
    )
}

pub fn search() -> Value {
    operation(
        &["400", "413", "415"],
        json!({
            "operationId": "SearchAuditLogs",
            "summary": "Search the audit events of this organization",
            "requestBody": {"required": false, "content": json_of("AuditSearch")},
            "responses": {"200": {"description": "One page of events", "content": json_of("AuditEvents")}},
        }),
    )
}

pub fn schemas() -> Value {
    let string = json!({"type": "string"});
    json!({
        "AuditSearch": {
            "type": "object",
            "properties": {
                "filter": {"type": "object", "properties": {"query": string, "from": string, "to": string}},
                "page": {"type": "object", "properties": {"limit": {"type": "integer"}, "cursor": string}},
                "sort": {"enum": ["-timestamp", "timestamp"]},
            },
        },
        "AuditEvents": {
            "type": "object",
            "required": ["data"],
            "properties": {
                "data": {"type": "array", "items": {"$ref": "#/components/schemas/AuditEvent"}},
                "meta": {"type": "object", "description": "Missing on the last page"},
                "links": {"type": "object", "description": "Missing on the last page"},
            },
        },
        "AuditEvent": {
            "type": "object",
            "required": ["id", "type", "attributes"],
            "properties": {
                "id": {"type": "string", "format": "uuid"},
                "type": {"const": "audit"},
                "attributes": {
                    "type": "object",
                    "required": ["message", "service", "tags", "timestamp", "attributes"],
                    "properties": {
                        "message": string,
                        "service": {"const": "grantor"},
                        "tags": {"type": "array", "items": string},
                        "timestamp": {"type": "string", "format": "date-time"},
                        "attributes": {"type": "object"},
                    },
                },
            },
        },
    })
}
