//! The resources of people, roles, permissions and invitations. The published clients have a model
//! for each, so there are no other members.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::db::orgs::invitations::Invitation;
use crate::db::orgs::people::Person;
use crate::rules::id::OrgId;
use crate::rules::identity::permission::{Permission, Role};
use crate::rules::identity::person::PersonStatus;
use crate::rules::identity::role_id::DEFINED_AT;
use crate::rules::timestamp::Timestamp;

pub fn person(person: &Person, org_id: OrgId) -> Value {
    json!({
        "id": person.id,
        "type": "users",
        "attributes": {
            "name": person.name,
            "handle": person.email,
            "email": person.email,
            "title": null,
            "created_at": person.created_at.to_rfc3339(),
            "modified_at": person.modified_at.to_rfc3339(),
            "disabled": person.status == PersonStatus::Disabled,
            "service_account": false,
            "verified": person.email_verified_at.is_some(),
            "mfa_enabled": false,
            "status": person.status.as_str(),
        },
        "relationships": {
            "roles": {"data": [identifier("roles", person.role.id())]},
            "org": {"data": identifier("orgs", org_id.0)},
        },
    })
}

/// `users` is the number of people with the role.
pub fn role(role: Role, users: u64) -> Value {
    let permissions: Vec<Value> =
        role.permissions().map(|has| identifier("permissions", has.details().id)).collect();
    json!({
        "id": role.id(),
        "type": "roles",
        "attributes": {
            "name": role.as_str(),
            "created_at": DEFINED_AT.to_rfc3339(),
            "modified_at": DEFINED_AT.to_rfc3339(),
            "user_count": users,
        },
        "relationships": {"permissions": {"data": permissions}},
    })
}

pub fn permission(permission: Permission) -> Value {
    let details = permission.details();
    json!({
        "id": details.id,
        "type": "permissions",
        "attributes": {
            "name": permission.as_str(),
            "display_name": details.display_name,
            "description": details.description,
            "group_name": details.group,
            "display_type": if details.writes { "write" } else { "read" },
            "restricted": permission.is_restricted(),
            "created": DEFINED_AT.to_rfc3339(),
            "name_aliases": [],
        },
    })
}

pub fn permissions(role: Role) -> Value {
    role.permissions().map(permission).collect()
}

/// The link is not part of it, since it is shown once.
pub fn invitation(invitation: &Invitation) -> Value {
    let id = invitation.id;
    let mut attributes = json!({
        "uuid": id,
        "created_at": invitation.created_at.to_rfc3339(),
        "invite_type": "link",
    });
    if let Some(expires_at) = invitation.link_expires_at {
        attributes["expires_at"] = json!(Timestamp::to_rfc3339(expires_at));
    }
    json!({
        "id": id,
        "type": "user_invitations",
        "attributes": attributes,
        "relationships": {"user": {"data": identifier("users", id.0)}},
    })
}

fn identifier(kind: &str, id: Uuid) -> Value {
    json!({"id": id, "type": kind})
}
