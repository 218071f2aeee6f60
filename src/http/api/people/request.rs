//! Parses the bodies of requests about people.

use serde::de::IgnoredAny;
use serde_json::Value;

use crate::actions::people::update::PersonChange;
use crate::http::api::authorized_resources::uuid;
use crate::http::api::oauth2_clients::request::Attributes;
use crate::http::error::ApiError;
use crate::http::extract::{JsonBody, Resource, resource_of};
use crate::rules::id::UserId;
use crate::rules::identity::permission::Role;
use crate::rules::syntax::json_text;

const TYPE: &str = "users";
const SHAPE: &str = "the body is not {\"data\": {\"type\": \"users\", \"attributes\": {...}}} with each \
                     member at most once";
const UNKNOWN: &str = "an attribute is unknown: there are only email and name";
const UNKNOWN_IN_CHANGE: &str = "an attribute is unknown: there are only name and disabled";
const OTHER_ID: &str = "UUID's in the URL and request body do not match";

/// A person to invite.
pub struct NewPerson {
    pub email: String,
    pub name: Option<String>,
    /// `None`: the least one.
    pub role: Option<Role>,
}

impl JsonBody for NewPerson {
    fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let Resource { attributes: Attributes(attributes), relationships, .. } =
            resource_of::<Attributes, IgnoredAny>(bytes, TYPE, SHAPE)?;
        let (mut email, mut name) = (None, None);
        for (member, value) in attributes {
            match (member.as_str(), value) {
                ("email", Value::String(text)) => email = Some(text),
                ("name", Value::String(text)) => name = Some(text),
                ("name" | "title", Value::Null) => {}
                ("email" | "name", _) => {
                    return Err(ApiError::bad_attribute(
                        format!("{member} is not a string"),
                        member,
                    ));
                }
                _ => return Err(ApiError::bad_member(UNKNOWN, "/data/attributes")),
            }
        }
        let email = email.ok_or_else(|| ApiError::bad_attribute("email is missing", "email"))?;
        Ok(Self { email, name, role: role_of(relationships.as_ref())? })
    }
}

/// The role in `relationships.roles.data`, which has one at most.
fn role_of(relationships: Option<&Value>) -> Result<Option<Role>, ApiError> {
    const POINTER: &str = "/data/relationships/roles/data";
    let Some(roles) = relationships.and_then(|all| all.get("roles")) else { return Ok(None) };
    let refused = |detail| Err(ApiError::bad_member(detail, POINTER));
    match roles.get("data").and_then(Value::as_array).map(Vec::as_slice) {
        Some([]) => Ok(None),
        Some([role]) if role["type"] == "roles" => {
            let id = role["id"].as_str().and_then(uuid);
            match id.and_then(Role::find) {
                Some(role) => Ok(Some(role)),
                None => refused("there is no role with this id: GET /api/v2/roles lists them"),
            }
        }
        Some([_, _, ..]) => refused("a person has one role at most"),
        _ => refused("roles.data is not a list of {\"id\": ..., \"type\": \"roles\"}"),
    }
}

/// A change of a person.
pub struct PersonUpdate {
    id: Option<Value>,
    pub change: PersonChange,
}

impl JsonBody for PersonUpdate {
    fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let Resource { id, attributes: Attributes(attributes), .. } =
            resource_of::<Attributes, IgnoredAny>(bytes, TYPE, SHAPE)?;
        let mut change = PersonChange::default();
        for (member, value) in attributes {
            match (member.as_str(), value) {
                ("name", Value::String(text)) => change.name = Some(text),
                ("name", _) => return Err(ApiError::bad_attribute("name is not a string", member)),
                ("disabled", Value::Bool(disabled)) => change.disabled = Some(disabled),
                ("disabled", _) => {
                    return Err(ApiError::bad_attribute("disabled is not true or false", member));
                }
                _ => return Err(ApiError::bad_member(UNKNOWN_IN_CHANGE, "/data/attributes")),
            }
        }
        Ok(Self { id, change })
    }
}

impl PersonUpdate {
    /// A change must name its person twice, so that a body cannot reach another one by mistake.
    pub fn is_about(&self, id: UserId) -> Result<(), ApiError> {
        match &self.id {
            None => Err(ApiError::bad_member("data.id is missing", "/data/id")),
            Some(Value::String(text)) if uuid(text) == Some(id.0) => Ok(()),
            Some(_) => Err(ApiError::unprocessable(OTHER_ID, "/data/id")),
        }
    }
}

/// The person to whom a role is given.
pub struct RoleHolder(pub UserId);

impl JsonBody for RoleHolder {
    fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        const SHAPE: &str = "the body is not {\"data\": {\"id\": ..., \"type\": \"users\"}} with \
                             each member at most once";
        let Resource { id, .. } = resource_of::<IgnoredAny, IgnoredAny>(bytes, TYPE, SHAPE)?;
        let id = id.as_ref().and_then(Value::as_str).and_then(uuid);
        let id = id.ok_or_else(|| ApiError::bad_member("data.id is not a UUID", "/data/id"))?;
        Ok(Self(UserId(id)))
    }
}

/// The people for whose invitations links are created.
pub struct InvitedPeople(pub Vec<UserId>);

const MAX_INVITATIONS: usize = 100;

impl JsonBody for InvitedPeople {
    fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        const SHAPE: &str = "the body is not {\"data\": [{\"type\": \"user_invitations\", \"relationships\": {\"user\": \
                             {\"data\": {\"id\": ..., \"type\": \"users\"}}}}]} with 1 to 100 invitations";
        let refused = || ApiError::bad_member(SHAPE, "/data");
        let text = json_text::check(bytes).map_err(|error| ApiError::bad_member(error, ""))?;
        // The message of serde may quote the body, so it is not used.
        let body: Value = serde_json::from_str(text).map_err(|_| refused())?;
        let list = body["data"].as_array().ok_or_else(refused)?;
        if !(1..=MAX_INVITATIONS).contains(&list.len()) {
            return Err(refused());
        }
        let mut ids = Vec::new();
        for invitation in list {
            let user = &invitation["relationships"]["user"]["data"];
            let is_right = invitation["type"] == "user_invitations" && user["type"] == TYPE;
            let id = user["id"].as_str().and_then(uuid).filter(|_| is_right).ok_or_else(refused)?;
            if !ids.contains(&UserId(id)) {
                ids.push(UserId(id));
            }
        }
        Ok(Self(ids))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "0190a0b0-36a6-7000-b21b-da7ad0900002";

    fn pointer(error: ApiError) -> String {
        match error {
            ApiError::BadRequest {
                source: crate::http::error::Source::Pointer(pointer), ..
            } => pointer,
            other => panic!("{other:?}"),
        }
    }

    fn new(attributes: Value, relationships: Value) -> Result<NewPerson, ApiError> {
        let data =
            json!({"type": "users", "attributes": attributes, "relationships": relationships});
        NewPerson::parse(json!({"data": data}).to_string().as_bytes())
    }

    fn roles(list: Value) -> Value {
        json!({"roles": {"data": list}})
    }

    #[test]
    fn a_person_has_an_address_and_at_most_one_role() {
        let role = |role: Role| json!({"id": role.id(), "type": "roles"});
        let cases = [
            (json!({}), None),
            (roles(json!([])), None),
            (roles(json!([role(Role::Admin)])), Some(Role::Admin)),
        ];
        for (relationships, expected) in cases {
            let person =
                new(json!({"email": "a@b", "name": "A"}), relationships).expect("a person");
            assert_eq!((person.email.as_str(), person.name.as_deref()), ("a@b", Some("A")));
            assert_eq!(person.role, expected);
        }
        let two = roles(json!([role(Role::Admin), role(Role::Standard)]));
        let refusals = [
            (json!({"email": "a@b"}), two, "/data/relationships/roles/data"),
            (
                json!({"email": "a@b"}),
                roles(json!([{"id": ID, "type": "roles"}])),
                "/data/relationships/roles/data",
            ),
            (json!({"email": "a@b"}), roles(json!("x")), "/data/relationships/roles/data"),
            (json!({}), json!({}), "/data/attributes/email"),
            (json!({"email": 1}), json!({}), "/data/attributes/email"),
            (json!({"email": "a@b", "name": 1}), json!({}), "/data/attributes/name"),
            (json!({"email": "a@b", "role": "admin"}), json!({}), "/data/attributes"),
        ];
        for (attributes, relationships, expected) in refusals {
            let error = new(attributes.clone(), relationships).map(|_| ()).expect_err("an error");
            assert_eq!(pointer(error), expected, "{attributes}");
        }
    }

    #[test]
    fn a_change_names_its_person_and_known_attributes() {
        let parse = |attributes: Value| {
            let data = json!({"id": ID, "type": "users", "attributes": attributes});
            PersonUpdate::parse(json!({"data": data}).to_string().as_bytes())
        };
        let update = parse(json!({"name": "A", "disabled": true})).expect("a change");
        assert_eq!(
            update.change,
            PersonChange { name: Some("A".to_owned()), disabled: Some(true) }
        );
        assert!(update.is_about(UserId(uuid(ID).expect("an id"))).is_ok());
        let other = update.is_about(UserId(uuid::Uuid::nil()));
        assert!(matches!(other, Err(ApiError::Unprocessable { .. })));
        for (attributes, expected) in [
            (json!({"name": null}), "/data/attributes/name"),
            (json!({"disabled": "true"}), "/data/attributes/disabled"),
            (json!({"email": "a@b"}), "/data/attributes"),
        ] {
            let error = parse(attributes.clone()).map(|_| ()).expect_err("an error");
            assert_eq!(pointer(error), expected, "{attributes}");
        }
    }

    #[test]
    fn links_are_created_for_named_people() {
        let one = |id: &str| {
            json!({
                "type": "user_invitations",
                "relationships": {"user": {"data": {"id": id, "type": "users"}}},
            })
        };
        let parse = |data: Value| {
            InvitedPeople::parse(json!({"data": data}).to_string().as_bytes())
                .map(|people| people.0.len())
                .map_err(pointer)
        };
        assert_eq!(parse(json!([one(ID)])), Ok(1));
        assert_eq!(parse(json!([one(ID), one(ID)])), Ok(1));
        let many = vec![one(ID); MAX_INVITATIONS + 1];
        for data in [json!([]), json!({}), json!([one("x")]), json!([{}]), json!(many)] {
            assert_eq!(parse(data), Err("/data".to_owned()));
        }
    }
}
