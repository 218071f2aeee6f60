//! Schemas of JSON:API resources and documents.

use serde_json::{Value, json};

use crate::rules::client::disabled_reason::DisabledReason;

pub fn schemas() -> Value {
    let strings = json!({"type": "array", "items": {"type": "string"}});
    json!({
        "Sites": data(json!({"id": {"type": "string"}, "type": {"const": "env"}, "attributes": {
            "type": "object", "required": ["sites"], "properties": {"sites": strings}}})),
        "ScopesRestriction": restriction(&strings),
        "UpsertScopesRestriction": {
            "type": "object",
            "required": ["data"],
            "properties": {"data": {
                "type": "object",
                "required": ["type"],
                "properties": {
                    "type": {"const": "upsert_scopes_restriction"},
                    "attributes": {"type": "object", "properties": {"oidc_scopes": strings, "permission_scopes": strings}},
                },
            }},
        },
        "OrgAuthorizedClient": org_client(),
        "UserAuthorizedClient": user_client(),
        "OrgAuthorizedClientDocument": {
            "type": "object",
            "required": ["data"],
            "properties": {"data": one_of("OrgAuthorizedClient"), "included": included()},
        },
        "UserAuthorizedClientDocument": {
            "type": "object",
            "required": ["data"],
            "properties": {"data": one_of("UserAuthorizedClient"), "included": included()},
        },
        "UpdateOrgAuthorizedClient": update_of_org_client(),
        "OrgAuthorizedClients": page_of("OrgAuthorizedClient"),
        "UserAuthorizedClients": page_of("UserAuthorizedClient"),
    })
}

fn restriction(strings: &Value) -> Value {
    let mut document = data(json!({
        "id": {"type": "string", "format": "uuid"},
        "type": {"const": "scopes_restriction"},
        "attributes": {
            "type": "object",
            "required": ["required_permission_scopes", "scopes_restriction"],
            "properties": {
                "required_permission_scopes": {"type": ["array", "null"], "items": {"type": "string"}},
                "scopes_restriction": {
                    "type": ["object", "null"],
                    "required": ["oidc_scopes", "permission_scopes"],
                    "properties": {"oidc_scopes": strings, "permission_scopes": strings},
                },
            },
        },
    }));
    document["properties"]["meta"] = json!({
        "type": "object",
        "description": "Present in the response to a dry run",
        "required": [
            "dry_run", "scopes_added", "scopes_removed", "grants", "ended", "users", "last_token_ends_at", "digest",
        ],
        "properties": {
            "dry_run": {"const": true},
            "scopes_added": strings,
            "scopes_removed": strings,
            "grants": {"type": "integer", "description": "Grants that hold a removed scope"},
            "ended": {
                "type": "integer",
                "description": "Number of these grants that end; the others lose only the removed \
                                scopes",
            },
            "users": {"type": "integer", "description": "Users whose grants hold a removed scope"},
            "last_token_ends_at": {
                "type": ["string", "null"],
                "format": "date-time",
                "description": "Until then, APIs that only check signatures may accept access tokens with a removed scope",
            },
            "digest": {"type": "string"},
        },
    });
    document
}

fn update_of_org_client() -> Value {
    json!({
        "type": "object",
        "required": ["data"],
        "properties": {
            "data": {
                "type": "object",
                "required": ["id", "type"],
                "properties": {
                    "id": {"type": "string", "format": "uuid"},
                    "type": {"const": "org_authorized_clients"},
                    "attributes": {"type": "object", "properties": {"disabled": {"type": "boolean"}}},
                },
            },
            "meta": {
                "type": "object",
                "properties": {
                    "reason": {
                        "type": "string",
                        "maxLength": DisabledReason::MAX_CHARACTERS,
                        "description": "Why the client is disabled, for people who try to authorize it",
                    },
                },
            },
        },
    })
}

/// A JSON:API document with one resource. All of its members are always present.
fn data(properties: Value) -> Value {
    json!({
        "type": "object",
        "required": ["data"],
        "properties": {"data": {"type": "object", "required": ["id", "type", "attributes"], "properties": properties}},
    })
}

fn org_client() -> Value {
    resource(
        "org_authorized_clients",
        json!({
            "disabled": {"type": "boolean"},
            "last_exercised": {"type": ["string", "null"], "format": "date-time"},
            "user_count": {"type": "integer", "description": "Users with an active authorization"},
        }),
        json!({
            "oauth2_client": related(identifier("oauth2_clients")),
            "user_authorized_clients": {
                "type": "object",
                "required": ["data", "links"],
                "properties": {
                    "data": {"type": "array", "items": identifier("user_authorized_clients"), "maxItems": 100},
                    "links": {"type": "object", "required": ["related"], "properties": {"related": {"type": "string"}}},
                },
            },
        }),
    )
}

fn user_client() -> Value {
    let time = json!({"type": "string", "format": "date-time"});
    resource(
        "user_authorized_clients",
        json!({
            "created_at": time,
            "modified_at": time,
            "last_exercised": {"type": ["string", "null"], "format": "date-time"},
            "disabled": {"type": "boolean", "description": "Whether the authorization was revoked"},
            "org_disabled": {
                "type": "boolean",
                "description": "Whether the organization has disabled the client",
            },
        }),
        json!({
            "oauth2_client": related(identifier("oauth2_clients")),
            "scopes": related(json!({"type": "array", "items": identifier("scopes")})),
            "user": related(identifier("users")),
        }),
    )
}

/// All members of the resource are always present.
fn resource(kind: &str, attributes: Value, relationships: Value) -> Value {
    let names = |object: &Value| {
        object.as_object().map(|members| members.keys().cloned().collect::<Vec<_>>())
    };
    json!({
        "type": "object",
        "required": ["id", "type", "attributes", "relationships"],
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "type": {"const": kind},
            "attributes": {"type": "object", "required": names(&attributes), "properties": attributes},
            "relationships": {"type": "object", "required": names(&relationships), "properties": relationships},
        },
    })
}

fn identifier(kind: &str) -> Value {
    json!({
        "type": "object",
        "required": ["id", "type"],
        "properties": {"id": {"type": "string"}, "type": {"const": kind}},
    })
}

fn related(data: Value) -> Value {
    json!({"type": "object", "required": ["data"], "properties": {"data": data}})
}

fn one_of(resource: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{resource}")})
}

fn page_of(resource: &str) -> Value {
    let count = json!({"type": "integer"});
    json!({
        "type": "object",
        "required": ["data", "meta"],
        "properties": {
            "data": {"type": "array", "items": one_of(resource)},
            "included": included(),
            "meta": {"type": "object", "required": ["page"], "properties": {"page": {
                "type": "object",
                "required": ["total_count", "total_filtered_count"],
                "properties": {"total_count": count, "total_filtered_count": count},
            }}},
        },
    })
}

fn included() -> Value {
    json!({
        "type": "array",
        "description": "Present if requested with include: oauth2_clients, scopes, \
                        user_authorized_clients, users",
        "items": {"type": "object", "required": ["id", "type", "attributes"]},
    })
}
