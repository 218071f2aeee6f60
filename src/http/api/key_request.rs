//! Parses the bodies of requests about API keys and application keys.

use std::marker::PhantomData;

use serde::de::IgnoredAny;
use serde_json::Value;

use crate::http::api::authorized_resources::uuid;
use crate::http::api::oauth2_clients::request::Attributes;
use crate::http::error::ApiError;
use crate::http::extract::{JsonBody, Resource, resource_of};
use crate::rules::id::KeyId;

/// The type of a resource.
pub trait KeyType {
    const TYPE: &'static str;
    /// The error for a body of another shape.
    const SHAPE: &'static str;
}

pub struct ApiKeys;

pub struct ApplicationKeys;

impl KeyType for ApiKeys {
    const TYPE: &'static str = "api_keys";
    const SHAPE: &'static str = "the body is not {\"data\": {\"type\": \"api_keys\", \"attributes\": {\"name\": ...}}} with \
                                 each member at most once";
}

impl KeyType for ApplicationKeys {
    const TYPE: &'static str = "application_keys";
    const SHAPE: &'static str = "the body is not {\"data\": {\"type\": \"application_keys\", \"attributes\": {\"name\": ..., \
                                 \"scopes\": ...}}} with each member at most once";
}

/// A key to create or to change. The attributes are not checked yet.
pub struct KeyRequest<T> {
    id: Option<Value>,
    pub attributes: Vec<(String, Value)>,
    kind: PhantomData<T>,
}

impl<T: KeyType> JsonBody for KeyRequest<T> {
    fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let Resource { id, attributes: Attributes(attributes), .. } =
            resource_of::<Attributes, IgnoredAny>(bytes, T::TYPE, T::SHAPE)?;
        Ok(Self { id, attributes, kind: PhantomData })
    }
}

impl<T> KeyRequest<T> {
    /// A change must name its key twice, so that a body cannot reach another one by mistake.
    pub fn is_about(&self, id: KeyId) -> Result<(), ApiError> {
        match &self.id {
            None => Err(ApiError::bad_member("data.id is missing", "/data/id")),
            Some(Value::String(text)) if uuid(text) == Some(id.0) => Ok(()),
            Some(_) => {
                Err(ApiError::unprocessable("data.id is not the id in the path", "/data/id"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0190a0b0-36a6-7000-b21b-da7ad0900002";

    fn parse(data: &str) -> Result<KeyRequest<ApiKeys>, ApiError> {
        KeyRequest::parse(format!(r#"{{"data":{data}}}"#).as_bytes())
    }

    #[test]
    fn a_change_names_its_key() {
        let id = KeyId(uuid(ID).expect("an id"));
        let check = |member: &str| {
            let request = parse(&format!(r#"{{{member}"type":"api_keys"}}"#)).expect("a request");
            request.is_about(id)
        };
        assert!(check(&format!(r#""id":"{ID}","#)).is_ok());
        assert!(check(&format!(r#""id":"{}","#, ID.to_uppercase())).is_ok());
        assert!(matches!(check(""), Err(ApiError::BadRequest { .. })));
        for other in [r#""id":"0190a0b0-36a6-7000-b21b-da7ad0900003","#, r#""id":1,"#] {
            assert!(matches!(check(other), Err(ApiError::Unprocessable { .. })), "{other}");
        }
    }

    #[test]
    fn the_type_must_be_that_of_the_path() {
        let attributes = parse(r#"{"type":"api_keys","attributes":{"name":"a"}}"#);
        assert_eq!(attributes.expect("a request").attributes.len(), 1);
        for data in [
            r#"{"attributes":{"name":"a"}}"#,
            r#"{"type":"application_keys"}"#,
            r#"{"type":"api_keys","attributes":[]}"#,
            r#"{"type":"api_keys","attributes":{"name":"a","name":"b"}}"#,
            "[]",
            "null",
        ] {
            assert!(matches!(parse(data), Err(ApiError::BadRequest { .. })), "{data}");
        }
    }
}
