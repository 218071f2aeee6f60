//! Restrictions and authorized clients.

use serde_json::{Value, json};

use crate::http::api::authorized_query::{
    CLIENT_INCLUDES, CLIENT_SORTS, LIST_INCLUDES, OWN_INCLUDES, USER_SORTS,
};
use crate::http::api::page;
use crate::http::openapi::content::{json_api_of, json_of};

const LAST_TOKENS: &str = "Introspection reports these tokens as inactive immediately. APIs that only \
                           check signatures may accept an access token until its `exp`, so use \
                           introspection or a short `tokens.access_ttl`.";
const REMOVED_SCOPES: &str = "Grants that hold a removed scope are revoked or lose that scope, in the \
                              same transaction. Introspection reports this immediately. APIs that only \
                              check signatures may accept an access token until its `exp`; in the \
                              response to a dry run, `last_token_ends_at` is when the last one expires.";

pub fn list_clients() -> Value {
    let [size, number] = paged();
    with_errors(json!({
        "operationId": "ListOrgAuthorizedClients",
        "summary": "List the clients that users of this organization have authorized",
        "parameters": [
            size,
            number,
            sort(&CLIENT_SORTS),
            text("filter", "Part of the client's name"),
            text("filter[oauth2_client][name]", "Part of the client's name"),
            flag("filter[disabled]", "Whether the organization has disabled the client"),
            include(&LIST_INCLUDES),
        ],
        "responses": {
            "200": {
                "description": "One page of clients",
                "content": json_api_of("OrgAuthorizedClients"),
            },
        },
    }))
}

pub fn show_client() -> Value {
    with_errors(json!({
        "operationId": "GetOrgAuthorizedClient",
        "summary": "Get a client and the users who have authorized it",
        "parameters": [
            flag(
                "filter[user_authorized_clients][disabled]",
                "Whether to return revoked authorizations; by default only active ones are returned",
            ),
            flag(
                "filter[user_authorized_clients][user][disabled]",
                "Whether the users of the returned authorizations are disabled",
            ),
            include(&CLIENT_INCLUDES),
        ],
        "responses": {"200": {"description": "The client", "content": json_api_of("OrgAuthorizedClientDocument")}},
    }))
}

pub fn update_client() -> Value {
    with_errors(json!({
        "operationId": "UpdateOrgAuthorizedClient",
        "summary": "Disable a client for this organization, or enable it again",
        "description": format!("Disabling ends every authorization and revokes its tokens immediately; people \
                                who try to authorize the client see the reason in `meta`. Enabling lets people \
                                authorize it again; ended authorizations stay ended. {LAST_TOKENS}"),
        "requestBody": {"required": true, "content": json_of("UpdateOrgAuthorizedClient")},
        "responses": {
            "200": {
                "description": "The client as it is now, also if nothing changed",
                "content": json_api_of("OrgAuthorizedClientDocument"),
            },
            "413": {"$ref": "#/components/responses/JsonApiError"},
            "415": {"$ref": "#/components/responses/JsonApiError"},
            "422": {"$ref": "#/components/responses/JsonApiError"},
        },
    }))
}

pub fn disable_client() -> Value {
    with_errors(json!({
        "operationId": "DeleteOrgAuthorizedClient",
        "summary": "Disable a client for this organization",
        "description": format!("Ends every authorization and revokes its tokens immediately. \
                                Users cannot authorize the client until it is enabled again. \
                                {LAST_TOKENS}"),
        "responses": {"204": {"description": "Disabled, or already disabled"}},
    }))
}

pub fn list_users() -> Value {
    let [size, number] = paged();
    with_errors(json!({
        "operationId": "ListOrgAuthorizedClientUserAuthorizations",
        "summary": "List the authorizations of a client, including revoked ones",
        "parameters": [
            size,
            number,
            sort(&USER_SORTS),
            flag("filter[disabled]", "Whether the authorization was revoked"),
            text("filter[user][name]", "Part of the user's name"),
            text("filter[user][email]", "Part of the user's email address"),
            flag("filter[user][disabled]", "Whether the user is disabled"),
        ],
        "responses": {
            "200": {
                "description": "One page of authorizations",
                "content": json_api_of("UserAuthorizedClients"),
            },
        },
    }))
}

pub fn end_authorization() -> Value {
    ending("DeleteOrgAuthorizedClientUserAuthorization", "End one authorization")
}

pub fn end_authorizations_of_user() -> Value {
    ending("DeleteOrgAuthorizedClientAllUserAuthorizations", "End all authorizations of a user")
}

pub fn list_own() -> Value {
    let [size, number] = paged();
    with_errors(json!({
        "operationId": "ListUserAuthorizedClients",
        "summary": "List your own authorizations in this organization, including revoked ones",
        "parameters": [
            size,
            number,
            text("filter", "Part of the client's name"),
            flag("filter[disabled]", "Whether the authorization was revoked"),
            include(&OWN_INCLUDES),
        ],
        "responses": {
            "200": {
                "description": "One page of authorizations",
                "content": json_api_of("UserAuthorizedClients"),
            },
        },
    }))
}

pub fn show_own() -> Value {
    with_errors(json!({
        "operationId": "GetUserAuthorizedClient",
        "summary": "Get one of your authorizations",
        "parameters": [include(&OWN_INCLUDES)],
        "responses": {"200": {"description": "The authorization", "content": json_api_of("UserAuthorizedClientDocument")}},
    }))
}

pub fn end_own() -> Value {
    ending("DeleteUserAuthorizedClient", "End one of your authorizations")
}

pub fn end_own_of_client() -> Value {
    ending("DeleteUserAuthorizedClientsByClient", "End your authorization of a client")
}

fn ending(name: &str, summary: &str) -> Value {
    with_errors(json!({
        "operationId": name,
        "summary": summary,
        "description": format!("Revokes the tokens immediately. The user may authorize the \
                                client again. {LAST_TOKENS}"),
        "responses": {"204": {"description": "Revoked, or already revoked"}},
    }))
}

pub(super) fn paged() -> [Value; 2] {
    [
        json!({"name": "page[size]", "in": "query",
        "schema": {
            "type": "integer",
            "minimum": 1,
            "maximum": page::MAX_SIZE,
            "default": page::DEFAULT_SIZE,
        }}),
        json!({"name": "page[number]", "in": "query", "schema": {"type": "integer", "minimum": 0, "default": 0}}),
    ]
}

fn sort(names: &[&str]) -> Value {
    let both_ways: Vec<String> =
        names.iter().flat_map(|name| [(*name).to_owned(), format!("-{name}")]).collect();
    json!({"name": "sort", "in": "query", "schema": {"enum": both_ways}})
}

fn include(names: &[&str]) -> Value {
    let list = json!({"type": "array", "items": {"enum": names}});
    json!({"name": "include", "in": "query", "style": "form", "explode": false, "schema": list})
}

pub(super) fn text(name: &str, description: &str) -> Value {
    json!({"name": name, "in": "query", "schema": {"type": "string"}, "description": description})
}

fn flag(name: &str, description: &str) -> Value {
    json!({"name": name, "in": "query", "schema": {"type": "boolean"}, "description": description})
}

pub fn show_restriction() -> Value {
    with_errors(json!({
        "operationId": "GetScopesRestriction",
        "summary": "Get a client's restriction",
        "responses": {
            "200": {
                "description": "null means no restriction; empty lists mean no scopes",
                "content": json_api_of("ScopesRestriction"),
            },
        },
    }))
}

pub fn upsert_restriction() -> Value {
    with_errors(json!({
        "operationId": "UpsertScopesRestriction",
        "summary": "Create or replace a client's restriction",
        "description": REMOVED_SCOPES,
        "parameters": of_upsert(),
        "requestBody": {"required": true, "content": json_of("UpsertScopesRestriction")},
        "responses": {
            "200": {
                "description": "The new restriction; for a dry run, the restriction that would \
                                be stored",
                "content": json_api_of("ScopesRestriction"),
            },
            "409": {"$ref": "#/components/responses/JsonApiError"},
            "413": {"$ref": "#/components/responses/JsonApiError"},
            "415": {"$ref": "#/components/responses/JsonApiError"},
        },
    }))
}

pub fn lift_restriction() -> Value {
    with_errors(json!({
        "operationId": "DeleteScopesRestriction",
        "summary": "Remove a client's restriction",
        "responses": {"204": {"description": "Removed, or there was none"}},
    }))
}

fn of_upsert() -> Value {
    json!([
        {
            "name": "dry_run",
            "in": "query",
            "schema": {"type": "boolean"},
            "description": "Report what would change and store nothing",
        },
        {"name": "if_digest", "in": "query", "schema": {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"},
            "description": "The digest returned by a dry run; the change fails if the state has \
                            changed since"},
    ])
}

pub fn show_default_restriction() -> Value {
    with_errors(json!({
        "operationId": "GetDefaultScopesRestriction",
        "summary": "Get the default restriction",
        "description": "It applies to clients without a restriction of their own. The id is \
                        the organization's.",
        "responses": {
            "200": {
                "description": "null means no restriction; empty lists mean no scopes",
                "content": json_api_of("ScopesRestriction"),
            },
        },
    }))
}

pub fn upsert_default_restriction() -> Value {
    with_errors(json!({
        "operationId": "UpsertDefaultScopesRestriction",
        "summary": "Create or replace the default restriction",
        "description": REMOVED_SCOPES,
        "parameters": of_upsert(),
        "requestBody": {"required": true, "content": json_of("UpsertScopesRestriction")},
        "responses": {
            "200": {
                "description": "The new default; for a dry run, the default that would be \
                                stored",
                "content": json_api_of("ScopesRestriction"),
            },
            "409": {"$ref": "#/components/responses/JsonApiError"},
            "413": {"$ref": "#/components/responses/JsonApiError"},
            "415": {"$ref": "#/components/responses/JsonApiError"},
        },
    }))
}

pub fn lift_default_restriction() -> Value {
    with_errors(json!({
        "operationId": "DeleteDefaultScopesRestriction",
        "summary": "Remove the default restriction",
        "responses": {"204": {"description": "Removed, or there was none"}},
    }))
}

/// Adds the error responses that all operations of the management API share.
pub(super) fn with_errors(mut operation: Value) -> Value {
    for (status, response) in [
        ("400", "JsonApiError"),
        ("401", "Unauthorized"),
        ("403", "Forbidden"),
        ("404", "JsonApiError"),
        ("429", "TooManyRequests"),
        ("503", "JsonApiError"),
    ] {
        operation["responses"][status] =
            json!({"$ref": format!("#/components/responses/{response}")});
    }
    operation
}
