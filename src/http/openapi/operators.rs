//! What operators call.

use serde_json::{Value, json};

use crate::http::api::authorized_query::{OF_LIST, OF_ONE, SORTS_OF_CLIENTS, SORTS_OF_USERS};
use crate::http::api::page;
use crate::http::openapi::{json_api_of, json_of};
use crate::rules::identity::permission::Permission;

const READ: [Permission; 1] = [Permission::OrgAuthorizedAppsRead];
const READ_OR_INTEGRATE: [Permission; 2] = [Permission::OrgAuthorizedAppsRead, Permission::ManageIntegrations];
const MANAGE_ORG: [Permission; 1] = [Permission::OrgManagement];
const WRITE: [Permission; 1] = [Permission::OrgAuthorizedAppsWrite];
const LAST_TOKENS: &str = "Introspection reports them as inactive immediately. APIs that only check signatures may accept an \
                           access token until its `exp`, so use introspection or a short `tokens.access_ttl`.";
const REMOVED_SCOPES: &str = "Grants that hold a removed scope are revoked or lose that scope, in the same transaction. \
                              Introspection reports this immediately. APIs that only check signatures may accept an \
                              access token until its `exp`; in the answer to a dry run, `last_token_ends_at` is when the \
                              last one expires.";

pub fn paths() -> Value {
    json!({
        "/api/v2/oauth2/clients/{client_uuid}/scopes_restriction": {
            "parameters": [in_path("client_uuid")],
            "get": show_restriction(),
            "post": upsert_restriction(),
            "delete": lift_restriction(),
        },
        "/api/v2/oauth2/default_scopes_restriction": {
            "get": show_default_restriction(),
            "post": upsert_default_restriction(),
            "delete": lift_default_restriction(),
        },
        "/api/v2/org_authorized_clients": {"get": list_clients()},
        "/api/v2/org_authorized_clients/{org_authorized_client_id}": {
            "parameters": [in_path("org_authorized_client_id")],
            "get": show_client(),
            "delete": disable_client(),
        },
        "/api/v2/org_authorized_clients/{org_authorized_client_id}/user_authorized_clients": {
            "parameters": [in_path("org_authorized_client_id")],
            "get": list_users(),
        },
        "/api/v2/org_authorized_clients/{org_authorized_client_id}/user_authorized_clients/{user_authorized_client_id}": {
            "parameters": [in_path("org_authorized_client_id"), in_path("user_authorized_client_id")],
            "delete": delete_authorization("DeleteOrgAuthorizedClientUserAuthorization", "End what one user authorized, named by itself"),
        },
        "/api/v2/org_authorized_clients/{org_authorized_client_id}/user/{user_id}": {
            "parameters": [in_path("org_authorized_client_id"), in_path("user_id")],
            "delete": delete_authorization("DeleteOrgAuthorizedClientAllUserAuthorizations", "End what one user authorized, named by the user"),
        },
    })
}

fn list_clients() -> Value {
    let [size, number] = paged();
    operator(
        &READ_OR_INTEGRATE,
        json!({
            "operationId": "ListOrgAuthorizedClients",
            "summary": "The clients that users of this organisation have authorized",
            "parameters": [
                size,
                number,
                sort(&SORTS_OF_CLIENTS),
                text("filter", "A part of the client's name"),
                text("filter[oauth2_client][name]", "A part of the client's name"),
                flag("filter[disabled]", "Whether the organisation has disabled the client"),
                include(&OF_LIST),
            ],
            "responses": {"200": {"description": "A page", "content": json_api_of("OrgAuthorizedClients")}},
        }),
    )
}

fn show_client() -> Value {
    operator(
        &READ,
        json!({
            "operationId": "GetOrgAuthorizedClient",
            "summary": "One client, and the users that have authorized it",
            "parameters": [
                flag("filter[user_authorized_clients][disabled]", "Of the authorizations that are told; those that live where it is left out"),
                flag("filter[user_authorized_clients][user][disabled]", "Of the users whose authorizations are told"),
                include(&OF_ONE),
            ],
            "responses": {"200": {"description": "The client", "content": json_api_of("OrgAuthorizedClientDocument")}},
        }),
    )
}

fn disable_client() -> Value {
    operator(
        &WRITE,
        json!({
            "operationId": "DeleteOrgAuthorizedClient",
            "summary": "Disable the client for this organisation",
            "description": format!("Ends every authorization and revokes its tokens at once. Users cannot authorize the client until it is enabled. {LAST_TOKENS}"),
            "responses": {"204": {"description": "Disabled; also where it was"}},
        }),
    )
}

fn list_users() -> Value {
    let [size, number] = paged();
    operator(
        &READ,
        json!({
            "operationId": "ListOrgAuthorizedClientUserAuthorizations",
            "summary": "What users have authorized for one client, also what has ended",
            "parameters": [
                size,
                number,
                sort(&SORTS_OF_USERS),
                flag("filter[disabled]", "Whether the authorization has ended"),
                text("filter[user][name]", "A part of the user's name"),
                text("filter[user][email]", "A part of the user's e-mail address"),
                flag("filter[user][disabled]", "Whether the user is disabled"),
            ],
            "responses": {"200": {"description": "A page", "content": json_api_of("UserAuthorizedClients")}},
        }),
    )
}

fn delete_authorization(name: &str, summary: &str) -> Value {
    operator(
        &WRITE,
        json!({
            "operationId": name,
            "summary": summary,
            "description": format!("Revokes its tokens at once. The user may authorize the client again. {LAST_TOKENS}"),
            "responses": {"204": {"description": "Ended; also where it had"}},
        }),
    )
}

fn paged() -> [Value; 2] {
    [
        json!({"name": "page[size]", "in": "query",
            "schema": {"type": "integer", "minimum": 1, "maximum": page::MOST, "default": page::DEFAULT_SIZE}}),
        json!({"name": "page[number]", "in": "query", "schema": {"type": "integer", "minimum": 0, "default": 0}}),
    ]
}

fn sort(names: &[&str]) -> Value {
    let both_ways: Vec<String> = names.iter().flat_map(|name| [(*name).to_owned(), format!("-{name}")]).collect();
    json!({"name": "sort", "in": "query", "schema": {"enum": both_ways}})
}

fn include(names: &[&str]) -> Value {
    let list = json!({"type": "array", "items": {"enum": names}});
    json!({"name": "include", "in": "query", "style": "form", "explode": false, "schema": list})
}

fn text(name: &str, description: &str) -> Value {
    json!({"name": name, "in": "query", "schema": {"type": "string"}, "description": description})
}

fn flag(name: &str, description: &str) -> Value {
    json!({"name": name, "in": "query", "schema": {"type": "boolean"}, "description": description})
}

fn show_restriction() -> Value {
    operator(
        &READ,
        json!({
            "operationId": "GetScopesRestriction",
            "summary": "What this organisation lets the client have at most",
            "responses": {"200": {"description": "null is no restriction, [] is nothing", "content": json_api_of("ScopesRestriction")}},
        }),
    )
}

fn upsert_restriction() -> Value {
    operator(
        &WRITE,
        json!({
            "operationId": "UpsertScopesRestriction",
            "summary": "Create or replace the restriction",
            "description": REMOVED_SCOPES,
            "parameters": of_upsert(),
            "requestBody": {"required": true, "content": json_of("UpsertScopesRestriction")},
            "responses": {
                "200": {"description": "The restriction as it is now, or would be", "content": json_api_of("ScopesRestriction")},
                "409": {"$ref": "#/components/responses/JsonApiError"},
                "413": {"$ref": "#/components/responses/JsonApiError"},
                "415": {"$ref": "#/components/responses/JsonApiError"},
            },
        }),
    )
}

fn lift_restriction() -> Value {
    operator(
        &WRITE,
        json!({
            "operationId": "DeleteScopesRestriction",
            "summary": "Back to full access",
            "responses": {"204": {"description": "No restriction any more; also where there was none"}},
        }),
    )
}

fn of_upsert() -> Value {
    json!([
        {"name": "dry_run", "in": "query", "schema": {"type": "boolean"}, "description": "Say what would change and store nothing"},
        {"name": "if_digest", "in": "query", "schema": {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"},
            "description": "Only if the state is still the one that a dry run named so"},
    ])
}

fn show_default_restriction() -> Value {
    operator(
        &READ,
        json!({
            "operationId": "GetDefaultScopesRestriction",
            "summary": "The scopes that clients without a restriction of their own may get",
            "description": "The id is that of the organization.",
            "responses": {"200": {"description": "null is no bound, [] is nothing", "content": json_api_of("ScopesRestriction")}},
        }),
    )
}

fn upsert_default_restriction() -> Value {
    by_keys(
        &MANAGE_ORG,
        json!({
            "operationId": "UpsertDefaultScopesRestriction",
            "summary": "Create or replace the default restriction",
            "description": REMOVED_SCOPES,
            "parameters": of_upsert(),
            "requestBody": {"required": true, "content": json_of("UpsertScopesRestriction")},
            "responses": {
                "200": {"description": "The default as it is now, or would be", "content": json_api_of("ScopesRestriction")},
                "409": {"$ref": "#/components/responses/JsonApiError"},
                "413": {"$ref": "#/components/responses/JsonApiError"},
                "415": {"$ref": "#/components/responses/JsonApiError"},
            },
        }),
    )
}

fn lift_default_restriction() -> Value {
    by_keys(
        &MANAGE_ORG,
        json!({
            "operationId": "DeleteDefaultScopesRestriction",
            "summary": "Remove the default restriction",
            "responses": {"204": {"description": "Removed, or there was none"}},
        }),
    )
}

/// Like [`operator`], for an operation that takes no access token.
fn by_keys(any_of: &[Permission], operation: Value) -> Value {
    let mut operation = operator(any_of, operation);
    operation["security"] = json!([{"apiKeyAuth": [], "appKeyAuth": []}]);
    operation
}

/// What every operators' operation has in common. Any one of the permissions will do: the user's, and where a token is
/// sent, its scope of the same name too.
fn operator(any_of: &[Permission], mut operation: Value) -> Value {
    let by_token = any_of.iter().map(|permission| json!({"bearerAuth": [permission.as_str()]}));
    operation["security"] = std::iter::once(json!({"apiKeyAuth": [], "appKeyAuth": []})).chain(by_token).collect();
    for (status, response) in [
        ("400", "JsonApiError"),
        ("401", "Unauthorized"),
        ("403", "Forbidden"),
        ("404", "JsonApiError"),
        ("429", "TooManyRequests"),
        ("503", "JsonApiError"),
    ] {
        operation["responses"][status] = json!({"$ref": format!("#/components/responses/{response}")});
    }
    operation
}

fn in_path(name: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "format": "uuid"}})
}
