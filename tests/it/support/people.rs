//! Requests about people, as the management API takes them.

use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use super::{Answer, TestOperator};

pub const USERS: &str = "/api/v2/users";
pub const INVITATIONS: &str = "/api/v2/user_invitations";
pub const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// The body that invites a person.
pub fn invited(email: &str, name: Option<&str>, role: Option<Role>) -> Value {
    let mut data = json!({"type": "users", "attributes": {"email": email}});
    if let Some(name) = name {
        data["attributes"]["name"] = json!(name);
    }
    if let Some(role) = role {
        data["relationships"] = json!({"roles": {"data": [{"id": role.id(), "type": "roles"}]}});
    }
    json!({"data": data})
}

/// The body that changes a person.
pub fn changed(id: &str, attributes: Value) -> Value {
    json!({"data": {"id": id, "type": "users", "attributes": attributes}})
}

/// The body that creates links for invitations.
pub fn links_for(ids: &[&str]) -> Value {
    let one = |id: &&str| {
        let user = json!({"data": {"id": id, "type": "users"}});
        json!({"type": "user_invitations", "relationships": {"user": user}})
    };
    json!({"data": ids.iter().map(one).collect::<Vec<_>>()})
}

/// The body that gives or takes a role.
pub fn holder(id: &str) -> Value {
    json!({"data": {"id": id, "type": "users"}})
}

pub fn id_of(answer: &Answer) -> String {
    answer.json()["data"]["id"].as_str().expect("an id").to_owned()
}

/// Invites a person and returns the id.
pub async fn invite(admin: &TestOperator<'_>, email: &str, role: Role) -> String {
    let answer = admin.post(USERS, &invited(email, None, Some(role))).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    id_of(&answer)
}

/// Creates the link of an invitation and returns its path.
pub async fn link_path(admin: &TestOperator<'_>, id: &str) -> String {
    let answer = admin.post(INVITATIONS, &links_for(&[id])).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let link = answer.json()["meta"]["links"][id].as_str().expect("a link").to_owned();
    link.strip_prefix("http://127.0.0.1:8080").expect("is on this server").to_owned()
}

/// The id of a person with this address.
pub async fn id_by_email(admin: &TestOperator<'_>, email: &str) -> String {
    let found = admin.get(&format!("{USERS}?filter={email}")).await.json();
    found["data"][0]["id"].as_str().expect("is listed").to_owned()
}
