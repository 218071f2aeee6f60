//! Partners, reviews and published clients.

use serde_json::{Value, json};

use crate::http::openapi::clients::{paged, text, with_errors};
use crate::http::openapi::content::{json_api_of, json_of};
use crate::rules::client::version::VersionState;

pub fn list_reviews() -> Value {
    let [size, number] = paged();
    with_errors(json!({
        "operationId": "ListReviews",
        "summary": "List submitted versions of all organizations, oldest first",
        "description": "Reviewers only.",
        "parameters": [size, number, text("filter[state]", "Another state than `submitted`")],
        "responses": {"200": {"description": "One page of versions", "content": json_api_of("ClientVersions")}},
    }))
}

pub fn show_review() -> Value {
    with_errors(json!({
        "operationId": "GetReview",
        "summary": "Get a version with its differences from the published one",
        "description": "`meta.warnings` lists what to look at. Reviewers only.",
        "responses": {"200": {"description": "The version", "content": json_api_of("ClientReview")}},
    }))
}

pub fn approve() -> Value {
    deciding(json!({
        "operationId": "ApproveVersion",
        "summary": "Publish a submitted version",
        "description": "The published client gets the attributes of the version. Reviewers cannot \
                        decide about versions that they or their organizations submitted.",
        "requestBody": {"required": false, "content": json_of("VersionDecision")},
        "responses": {"200": {"description": "The version", "content": json_api_of("ClientVersionDocument")}},
    }))
}

pub fn reject() -> Value {
    deciding(json!({
        "operationId": "RejectVersion",
        "summary": "Reject a submitted version",
        "description": "`note` is required, and its owner can read it.",
        "requestBody": {"required": true, "content": json_of("VersionDecision")},
        "responses": {"200": {"description": "The version", "content": json_api_of("ClientVersionDocument")}},
    }))
}

pub fn submit() -> Value {
    deciding(json!({
        "operationId": "SubmitOwnClient",
        "summary": "Submit a private client for review",
        "description": "The organization must be an approved partner. The first submission creates \
                        the published client, whose secret is in this response and in no other; it \
                        cannot be used before a version is approved.",
        "requestBody": {"required": false, "content": json_of("NewClientVersion")},
        "responses": {"201": {"description": "The version", "content": json_api_of("ClientVersionDocument")}},
    }))
}

pub fn withdraw() -> Value {
    let mut operation = with_errors(json!({
        "operationId": "WithdrawOwnClient",
        "summary": "Withdraw the version that is in review",
        "responses": {"200": {"description": "The version", "content": json_api_of("ClientVersionDocument")}},
    }));
    operation["responses"]["409"] = json!({"$ref": "#/components/responses/JsonApiError"});
    operation
}

pub fn list_versions() -> Value {
    let [size, number] = paged();
    with_errors(json!({
        "operationId": "ListOwnClientVersions",
        "summary": "List the versions of a client, newest first",
        "parameters": [size, number],
        "responses": {"200": {"description": "One page of versions", "content": json_api_of("ClientVersions")}},
    }))
}

pub fn show_version() -> Value {
    with_errors(json!({
        "operationId": "GetOwnClientVersion",
        "summary": "Get a version of a client",
        "responses": {"200": {"description": "The version", "content": json_api_of("ClientVersionDocument")}},
    }))
}

pub fn list_published() -> Value {
    let [size, number] = paged();
    with_errors(json!({
        "operationId": "ListPublishedClients",
        "summary": "List the published clients that this organization can connect",
        "description": "These are the listed ones and those of this organization.",
        "parameters": [size, number],
        "responses": {"200": {"description": "One page of clients", "content": json_api_of("PublishedClients")}},
    }))
}

pub fn update_published() -> Value {
    deciding(json!({
        "operationId": "UpdatePublishedClient",
        "summary": "Suspend or resume a published client, or list its tile",
        "description": "A suspended client cannot be used; its grants are kept. `note` is required \
                        to suspend it. Reviewers only.",
        "requestBody": {"required": true, "content": json_of("PublishedClientUpdate")},
        "responses": {"200": {"description": "The client", "content": json_api_of("OwnClientDocument")}},
    }))
}

pub fn list_partners() -> Value {
    let [size, number] = paged();
    with_errors(json!({
        "operationId": "ListPartners",
        "summary": "List the partners by name",
        "description": "Reviewers only.",
        "parameters": [size, number],
        "responses": {"200": {"description": "One page of partners", "content": json_api_of("Partners")}},
    }))
}

pub fn show_partner() -> Value {
    with_errors(json!({
        "operationId": "GetPartner",
        "summary": "Get what an organization may do as a partner",
        "description": "For reviewers, and for members of the organization.",
        "responses": {"200": {"description": "The partner", "content": json_api_of("PartnerDocument")}},
    }))
}

pub fn replace_partner() -> Value {
    deciding(json!({
        "operationId": "ReplacePartner",
        "summary": "Approve an organization as a partner, or replace what it may do",
        "description": "Attributes that are left out are removed. Reviewers only.",
        "requestBody": {"required": true, "content": json_of("PartnerDocument")},
        "responses": {"200": {"description": "The partner", "content": json_api_of("PartnerDocument")}},
    }))
}

pub fn end_partner() -> Value {
    with_errors(json!({
        "operationId": "DeletePartner",
        "summary": "End a partnership",
        "description": "Published clients keep working without private scopes. Reviewers only.",
        "responses": {"204": {"description": "Ended"}},
    }))
}

/// An operation with a body, which can conflict with the state of what it is about.
fn deciding(operation: Value) -> Value {
    let mut operation = with_errors(operation);
    for status in ["409", "413", "415", "422"] {
        operation["responses"][status] = json!({"$ref": "#/components/responses/JsonApiError"});
    }
    operation
}

fn id() -> Value {
    json!({"type": "string", "format": "uuid"})
}

fn maybe(kind: &str) -> Value {
    json!({"type": [kind, "null"]})
}

fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn strings() -> Value {
    json!({"type": "array", "items": {"type": "string"}})
}

fn document(kind: &str, attributes: Value) -> Value {
    json!({
        "type": "object",
        "required": ["data"],
        "properties": {"data": {
            "type": "object",
            "required": ["type"],
            "properties": {
                "id": id(),
                "type": {"const": kind},
                "attributes": {"type": "object", "properties": attributes},
            },
        }},
    })
}

fn list_of(schema: &str) -> Value {
    let item = json!({"$ref": format!("#/components/schemas/{schema}")});
    json!({
        "type": "object",
        "required": ["data", "meta"],
        "properties": {"data": {"type": "array", "items": item}, "meta": {"type": "object"}},
    })
}

fn version() -> Value {
    json!({
        "number": {"type": "integer"},
        "state": {"enum": VersionState::ALL.map(VersionState::as_str)},
        "name": {"type": "string"},
        "description": {"type": "string"},
        "onboarding_url": {"type": "string"},
        "redirect_uris": strings(),
        "scopes": strings(),
        "note": maybe("string"),
        "scope_reasons": {"type": "object", "additionalProperties": {"type": "string"}},
        "submitted_at": time(),
        "decided_at": maybe("string"),
        "decision_note": maybe("string"),
        "client_id": {"type": "string", "format": "uuid", "description": "The published client"},
        "client_secret": {"type": "string", "description": "In the response to the first submission only"},
    })
}

fn partner() -> Value {
    json!({"private_scopes": strings(), "note": maybe("string"), "approved_at": time()})
}

pub fn schemas() -> Value {
    let whole = |kind: &str, attributes: Value| {
        json!({
            "type": "object",
            "required": ["id", "type", "attributes"],
            "properties": {
                "id": id(),
                "type": {"const": kind},
                "attributes": {"type": "object", "properties": attributes},
                "relationships": {"type": "object"},
            },
        })
    };
    const VERSIONS: &str = "oauth2_client_versions";
    let version_ref = json!({"$ref": "#/components/schemas/ClientVersion"});
    let reasons = json!({
        "type": "object",
        "additionalProperties": {"type": "string", "maxLength": 500},
        "description": "Why the client needs each private scope",
    });
    let revision = json!({"type": "integer", "description": "Fails if the client has another one"});
    let flag = json!({"type": "boolean"});
    let note = json!({"type": ["string", "null"], "maxLength": 2000});
    json!({
        "ClientVersion": whole(VERSIONS, version()),
        "ClientVersions": list_of("ClientVersion"),
        "ClientVersionDocument": {
            "type": "object", "required": ["data"], "properties": {"data": version_ref},
        },
        "ClientReview": {
            "type": "object",
            "required": ["data", "meta"],
            "properties": {
                "data": version_ref,
                "meta": {
                    "type": "object",
                    "required": ["diff", "warnings"],
                    "properties": {"diff": {"type": "object"}, "warnings": strings()},
                },
            },
        },
        "NewClientVersion": document(
            VERSIONS,
            json!({"note": note, "scope_reasons": reasons, "revision": revision}),
        ),
        "VersionDecision": document(VERSIONS, json!({"note": note})),
        "PublishedClient": whole("oauth2_clients", json!({
            "name": {"type": "string"},
            "description": maybe("string"),
            "scopes": strings(),
            "listed": flag,
            "published_at": time(),
            "connect_url": {"type": "string", "format": "uri"},
        })),
        "PublishedClients": list_of("PublishedClient"),
        "PublishedClientUpdate": document(
            "oauth2_clients",
            json!({"listed": flag, "suspended": flag, "note": note}),
        ),
        "Partner": whole("partners", partner()),
        "Partners": list_of("Partner"),
        "PartnerDocument": document("partners", partner()),
    })
}
