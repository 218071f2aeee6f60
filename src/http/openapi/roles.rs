//! Roles and permissions.

use serde_json::{Value, json};

use crate::http::openapi::clients::{paged, text};
use crate::http::openapi::content::json_of;
use crate::http::openapi::keys::{id, operation, timestamp};
use crate::http::openapi::people::{document, list_parameters, page_of, reference};

pub fn list() -> Value {
    let [size, number] = paged();
    operation(
        &["400"],
        json!({
            "operationId": "ListRoles",
            "summary": "List the roles",
            "description": "There are three roles: `admin`, `standard` and `read_only`. They are \
                            the same in every organization, and their IDs never change.",
            "parameters": [size, number, text("filter", "Part of the name")],
            "responses": {"200": {"description": "One page of roles", "content": json_of("Roles")}},
        }),
    )
}

pub fn show() -> Value {
    operation(
        &["404"],
        json!({
            "operationId": "GetRole",
            "summary": "Get a role",
            "responses": {"200": {"description": "The role", "content": json_of("RoleDocument")}},
        }),
    )
}

pub fn permissions() -> Value {
    operation(
        &["404"],
        json!({
            "operationId": "ListRolePermissions",
            "summary": "List the permissions of a role",
            "responses": {"200": {"description": "The permissions", "content": json_of("Permissions")}},
        }),
    )
}

pub fn users() -> Value {
    operation(
        &["400", "404"],
        json!({
            "operationId": "ListRoleUsers",
            "summary": "List the users with a role",
            "description": "The list contains members and invited people, but no former members.",
            "parameters": list_parameters(),
            "responses": {"200": {"description": "One page of users", "content": json_of("Users")}},
        }),
    )
}

pub fn give() -> Value {
    operation(
        &["400", "404", "413", "415"],
        json!({
            "operationId": "AddUserToRole",
            "summary": "Give a role to a user",
            "description": "It replaces the previous role. The last active administrator cannot get \
                            another one.",
            "requestBody": {"required": true, "content": json_of("RoleHolder")},
            "responses": {
                "200": {"description": "The user, in a list", "content": json_of("RoleHolders")},
            },
        }),
    )
}

pub fn take() -> Value {
    operation(
        &["404", "413", "415"],
        json!({
            "operationId": "RemoveUserFromRole",
            "summary": "Take a role from a user",
            "description": "This always fails, since every member has one role: give another one \
                            instead.",
            "requestBody": {"required": true, "content": json_of("RoleHolder")},
            "responses": {"400": {"description": "The user has this role", "content": json_of("Errors")}},
        }),
    )
}

pub fn all_permissions() -> Value {
    operation(
        &[],
        json!({
            "operationId": "ListPermissions",
            "summary": "List all permissions",
            "description": "These are the permissions that this server checks. Their IDs never \
                            change.",
            "responses": {"200": {"description": "The permissions", "content": json_of("Permissions")}},
        }),
    )
}

fn role() -> Value {
    let permissions = json!({"type": "array", "items": reference("permissions")});
    json!({
        "type": "object",
        "required": ["id", "type", "attributes", "relationships"],
        "properties": {
            "id": id(),
            "type": {"const": "roles"},
            "attributes": {
                "type": "object",
                "required": ["name", "created_at", "modified_at", "user_count"],
                "properties": {
                    "name": {"enum": ["admin", "standard", "read_only"]},
                    "created_at": timestamp(),
                    "modified_at": timestamp(),
                    "user_count": {
                        "type": "integer",
                        "description": "Members and invited people with the role",
                    },
                },
            },
            "relationships": {
                "type": "object",
                "properties": {
                    "permissions": {"type": "object", "properties": {"data": permissions}},
                },
            },
        },
    })
}

fn permission() -> Value {
    json!({
        "type": "object",
        "required": ["id", "type", "attributes"],
        "properties": {
            "id": id(),
            "type": {"const": "permissions"},
            "attributes": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "display_name": {"type": "string"},
                    "description": {"type": "string"},
                    "group_name": {"type": "string"},
                    "display_type": {"enum": ["read", "write"]},
                    "restricted": {
                        "type": "boolean",
                        "description": "Whether only administrators have the permission",
                    },
                    "created": timestamp(),
                    "name_aliases": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
    })
}

pub fn schemas() -> Value {
    let mut holder = reference("users");
    holder["required"] = json!(["id", "type"]);
    json!({
        "Role": role(),
        "RoleDocument": document("Role", false),
        "Roles": page_of("Role"),
        "Permission": permission(),
        "Permissions": document("Permission", true),
        "RoleHolder": {"type": "object", "required": ["data"], "properties": {"data": holder}},
        "RoleHolders": document("User", true),
    })
}
