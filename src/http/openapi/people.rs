//! The people of an organization, and invitations.

use serde_json::{Value, json};

use crate::http::openapi::clients::{paged, text};
use crate::http::openapi::content::json_of;
use crate::http::openapi::keys::{id, operation, timestamp};
use crate::rules::identity::person::PersonOrder;

pub fn list() -> Value {
    operation(
        &["400"],
        json!({
            "operationId": "ListUsers",
            "summary": "List the users of this organization",
            "description": "The list contains members, former members (`Disabled`) and invited \
                            people (`Pending`). An invited person has the ID of the invitation.",
            "parameters": list_parameters(),
            "responses": {"200": {"description": "One page of users", "content": json_of("Users")}},
        }),
    )
}

/// The parameters of every list of users.
pub(super) fn list_parameters() -> Value {
    let [size, number] = paged();
    let names = PersonOrder::ALL.map(PersonOrder::as_str);
    let sorts: Vec<String> =
        names.into_iter().flat_map(|name| [name.to_owned(), format!("-{name}")]).collect();
    json!([
        size,
        number,
        {"name": "sort", "in": "query", "schema": {"enum": sorts, "default": "name"}},
        {"name": "sort_dir", "in": "query", "schema": {"enum": ["asc", "desc"], "default": "asc"}},
        text("filter", "Part of the name or of the email address"),
        text("filter[status]", "Comma-separated list of `Active`, `Pending` and `Disabled`"),
    ])
}

pub fn create() -> Value {
    operation(
        &["400", "409", "413", "415"],
        json!({
            "operationId": "CreateUser",
            "summary": "Invite a user",
            "description": "The account is created when the person accepts the invitation with a \
                            link, which `POST /api/v2/user_invitations` creates. The response does \
                            not reveal whether the address already has an account. Without a role, \
                            the person gets `read_only`; any other role also needs the permission \
                            `user_access_manage`.",
            "requestBody": {"required": true, "content": json_of("NewUser")},
            "responses": {"201": {"description": "The invited person", "content": json_of("UserDocument")}},
        }),
    )
}

pub fn show() -> Value {
    operation(
        &["404"],
        json!({
            "operationId": "GetUser",
            "summary": "Get a user",
            "responses": {"200": {"description": "The user", "content": json_of("UserDocument")}},
        }),
    )
}

pub fn permissions() -> Value {
    operation(
        &["404"],
        json!({
            "operationId": "ListUserPermissions",
            "summary": "List the permissions of a user",
            "responses": {
                "200": {"description": "The permissions of their role", "content": json_of("Permissions")},
            },
        }),
    )
}

pub fn update() -> Value {
    operation(
        &["400", "404", "413", "415", "422"],
        json!({
            "operationId": "UpdateUser",
            "summary": "Change, disable or enable a user",
            "description": "You can change the name of an invited person, and your own. `disabled: \
                            true` ends the membership like `DELETE`, and `disabled: false` restores \
                            it with its role, but no access that ended. For an invited person, \
                            `disabled: true` ends the invitation. The last active administrator \
                            cannot be disabled.",
            "requestBody": {"required": true, "content": json_of("UserUpdate")},
            "responses": {"200": {"description": "The user as it is now", "content": json_of("UserDocument")}},
        }),
    )
}

pub fn delete() -> Value {
    operation(
        &["404"],
        json!({
            "operationId": "DisableUser",
            "summary": "End the membership of a user",
            "description": "Their application keys and what they authorized in this organization \
                            end. The account and other organizations are not affected. The last \
                            active administrator cannot be removed.",
            "responses": {"204": {"description": "Ended"}},
        }),
    )
}

pub fn delete_invitations() -> Value {
    operation(
        &["404"],
        json!({
            "operationId": "DeleteUserInvitations",
            "summary": "End the invitation of a user",
            "responses": {"200": {"description": "Ended"}},
        }),
    )
}

pub fn current() -> Value {
    operation(
        &[],
        json!({
            "operationId": "GetCurrentUser",
            "summary": "Get the user of these credentials",
            "responses": {"200": {"description": "The user", "content": json_of("UserDocument")}},
        }),
    )
}

pub fn create_links() -> Value {
    operation(
        &["400", "413", "415"],
        json!({
            "operationId": "SendInvitations",
            "summary": "Create links for invitations",
            "description": "`meta.links` has the link of each invitation, by its ID. It is in this \
                            response and in no other. A new link ends the previous one. Send it to \
                            the person: anyone who has it can accept the invitation.",
            "requestBody": {"required": true, "content": json_of("NewUserInvitations")},
            "responses": {"201": {"description": "The invitations", "content": json_of("UserInvitations")}},
        }),
    )
}

pub fn show_invitation() -> Value {
    operation(
        &["404"],
        json!({
            "operationId": "GetInvitation",
            "summary": "Get an invitation that is not accepted yet",
            "responses": {
                "200": {"description": "The invitation", "content": json_of("UserInvitationDocument")},
            },
        }),
    )
}

fn user() -> Value {
    let roles = json!({"type": "array", "items": reference("roles")});
    json!({
        "type": "object",
        "required": ["id", "type", "attributes", "relationships"],
        "properties": {
            "id": id(),
            "type": {"const": "users"},
            "attributes": {
                "type": "object",
                "required": ["name", "email", "created_at", "modified_at", "disabled", "verified", "status"],
                "properties": {
                    "name": {"type": ["string", "null"]},
                    "handle": {"type": "string", "description": "The same as `email`"},
                    "email": {"type": "string"},
                    "title": {"type": "null"},
                    "created_at": timestamp(),
                    "modified_at": timestamp(),
                    "disabled": {"type": "boolean"},
                    "service_account": {"const": false},
                    "verified": {
                        "type": "boolean",
                        "description": "Whether the email address counts as verified. It does not \
                                        for people who accepted an invitation link",
                    },
                    "mfa_enabled": {"const": false},
                    "status": {"enum": ["Active", "Pending", "Disabled"]},
                },
            },
            "relationships": {
                "type": "object",
                "properties": {
                    "roles": {"type": "object", "properties": {"data": roles}},
                    "org": {"type": "object", "properties": {"data": reference("orgs")}},
                },
            },
        },
    })
}

fn invitation() -> Value {
    json!({
        "type": "object",
        "required": ["id", "type", "attributes", "relationships"],
        "properties": {
            "id": id(),
            "type": {"const": "user_invitations"},
            "attributes": {
                "type": "object",
                "required": ["uuid", "created_at", "invite_type"],
                "properties": {
                    "uuid": id(),
                    "created_at": timestamp(),
                    "expires_at": {
                        "type": "string",
                        "format": "date-time",
                        "description": "When the link stops working, if there is one",
                    },
                    "invite_type": {"const": "link"},
                },
            },
            "relationships": {
                "type": "object",
                "properties": {"user": {"type": "object", "properties": {"data": reference("users")}}},
            },
        },
    })
}

/// The identifier of a related resource.
pub(super) fn reference(kind: &str) -> Value {
    json!({"type": "object", "properties": {"id": id(), "type": {"const": kind}}})
}

/// A document with a page of resources and their number.
pub(super) fn page_of(schema: &str) -> Value {
    let counts = json!({
        "type": "object",
        "properties": {"total_count": {"type": "integer"}, "total_filtered_count": {"type": "integer"}},
    });
    json!({
        "type": "object",
        "required": ["data", "meta"],
        "properties": {
            "data": {"type": "array", "items": {"$ref": format!("#/components/schemas/{schema}")}},
            "meta": {"type": "object", "properties": {"page": counts}},
        },
    })
}

/// A document with one resource, or with a list if `is_list`.
pub(super) fn document(schema: &str, is_list: bool) -> Value {
    let one = json!({"$ref": format!("#/components/schemas/{schema}")});
    let data = if is_list { json!({"type": "array", "items": one}) } else { one };
    json!({"type": "object", "required": ["data"], "properties": {"data": data}})
}

/// The body of a request with one resource.
fn request(required: &[&str], properties: Value) -> Value {
    let data = json!({"type": "object", "required": required, "properties": properties});
    json!({"type": "object", "required": ["data"], "properties": {"data": data}})
}

fn new_user() -> Value {
    let roles = json!({"type": "array", "maxItems": 1, "items": reference("roles")});
    request(
        &["type", "attributes"],
        json!({
            "type": {"const": "users"},
            "attributes": {
                "type": "object",
                "required": ["email"],
                "properties": {
                    "email": {"type": "string", "maxLength": 254},
                    "name": {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": 100,
                        "description": "Ignored if the person already has an account",
                    },
                },
            },
            "relationships": {
                "type": "object",
                "properties": {"roles": {"type": "object", "properties": {"data": roles}}},
            },
        }),
    )
}

fn update_of_user() -> Value {
    request(
        &["id", "type", "attributes"],
        json!({
            "id": id(),
            "type": {"const": "users"},
            "attributes": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "minLength": 1, "maxLength": 100},
                    "disabled": {"type": "boolean"},
                },
            },
        }),
    )
}

fn new_invitations() -> Value {
    let user = json!({"type": "object", "properties": {"data": reference("users")}});
    let one = json!({
        "type": "object",
        "required": ["type", "relationships"],
        "properties": {
            "type": {"const": "user_invitations"},
            "relationships": {"type": "object", "required": ["user"], "properties": {"user": user}},
        },
    });
    json!({
        "type": "object",
        "required": ["data"],
        "properties": {"data": {"type": "array", "minItems": 1, "maxItems": 100, "items": one}},
    })
}

pub fn schemas() -> Value {
    let mut invitations = document("UserInvitation", true);
    let links =
        json!({"type": "object", "additionalProperties": {"type": "string", "format": "uri"}});
    invitations["properties"]["meta"] = json!({"type": "object", "properties": {"links": links}});
    json!({
        "User": user(),
        "UserDocument": document("User", false),
        "Users": page_of("User"),
        "NewUser": new_user(),
        "UserUpdate": update_of_user(),
        "UserInvitation": invitation(),
        "UserInvitationDocument": document("UserInvitation", false),
        "UserInvitations": invitations,
        "NewUserInvitations": new_invitations(),
    })
}
