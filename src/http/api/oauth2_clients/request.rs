//! Parses the bodies of requests about the organization's own clients.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::http::error::ApiError;
use crate::http::extract::{JsonBody, Resource, resource_of};
use crate::rules::client::ClientId;
use crate::rules::syntax::json_object::{AllMembers, Object};

pub const TYPE: &str = "oauth2_clients";
const SHAPE: &str = "the body is not {\"data\": {\"type\": \"oauth2_clients\", \"attributes\": {...}}} with each member at \
                     most once";
pub const VERSION_TYPE: &str = "oauth2_client_versions";
const VERSION_SHAPE: &str = "the body is not {\"data\": {\"type\": \"oauth2_client_versions\", \"attributes\": {...}}} \
                             with each member at most once";
pub const SECRET_TYPE: &str = "client_secrets";
const SECRET_SHAPE: &str = "the body is not {\"data\": {\"type\": \"client_secrets\", \"attributes\": {\"overlap_until\": \
                            ...}}} with each member at most once";

/// A client to create or to change. The attributes are not checked yet.
#[derive(Debug)]
pub struct ClientRequest {
    id: Option<Value>,
    pub attributes: Vec<(String, Value)>,
}

/// The members of `attributes`, in the order of the text.
#[derive(Default)]
pub struct Attributes(pub Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Object { members, repeated } = Object::<AllMembers>::deserialize(deserializer)?;
        match repeated {
            None => Ok(Self(members.into_vec())),
            Some(_) => Err(serde::de::Error::custom("a member is repeated")),
        }
    }
}

impl JsonBody for ClientRequest {
    fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let Resource { id, attributes: Attributes(attributes), .. } =
            resource_of::<Attributes, IgnoredAny>(bytes, TYPE, SHAPE)?;
        Ok(Self { id, attributes })
    }
}

impl ClientRequest {
    /// A change must name its client twice, so that a body cannot reach another one by mistake.
    pub fn is_about(&self, id: ClientId) -> Result<(), ApiError> {
        match &self.id {
            None => Err(ApiError::bad_member("data.id is missing", "/data/id")),
            Some(Value::String(text)) if ClientId::parse(text) == Ok(id) => Ok(()),
            Some(_) => {
                Err(ApiError::unprocessable("data.id is not the id in the path", "/data/id"))
            }
        }
    }
}

/// A version to submit, or a decision about one. The body may be empty, and the attributes are not
/// checked yet.
#[derive(Debug, Default)]
pub struct VersionRequest {
    pub attributes: Vec<(String, Value)>,
}

impl JsonBody for VersionRequest {
    const MAY_BE_MISSING: bool = true;

    fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let Resource { attributes: Attributes(attributes), .. } =
            resource_of::<Attributes, IgnoredAny>(bytes, VERSION_TYPE, VERSION_SHAPE)?;
        Ok(Self { attributes })
    }
}

/// How to replace a secret. The body may be empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RegenerateRequest {
    /// As it was sent.
    pub overlap_until: Option<String>,
}

impl JsonBody for RegenerateRequest {
    const MAY_BE_MISSING: bool = true;

    fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let Resource { attributes: Attributes(attributes), .. } =
            resource_of::<Attributes, IgnoredAny>(bytes, SECRET_TYPE, SECRET_SHAPE)?;
        let mut request = Self::default();
        for (name, value) in attributes {
            request.overlap_until = match (name.as_str(), value) {
                ("overlap_until", Value::Null) => None,
                ("overlap_until", Value::String(text)) => Some(text),
                ("overlap_until", _) => {
                    let detail = "overlap_until is neither a time nor null";
                    return Err(ApiError::bad_attribute(detail, "overlap_until"));
                }
                (unknown, _) => {
                    return Err(ApiError::bad_attribute("there is no such attribute", unknown));
                }
            };
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_its_client() {
        let id = ClientId::parse("0190a0b0-36a6-7000-b21b-da7ad0900002").expect("an id");
        let parse = |member: &str| {
            let body = format!(r#"{{"data":{{{member}"type":"oauth2_clients"}}}}"#);
            ClientRequest::parse(body.as_bytes()).expect("a request").is_about(id)
        };
        assert!(parse(r#""id":"0190a0b0-36a6-7000-b21b-da7ad0900002","#).is_ok());
        assert!(matches!(parse(""), Err(ApiError::BadRequest { .. })));
        for other in [r#""id":"0190a0b0-36a6-7000-b21b-da7ad0900003","#, r#""id":1,"#] {
            assert!(matches!(parse(other), Err(ApiError::Unprocessable { .. })), "{other}");
        }
    }

    #[test]
    fn attributes_are_an_object_without_repeated_members() {
        let parse = |attributes: &str| {
            let body =
                format!(r#"{{"data":{{"type":"oauth2_clients","attributes":{attributes}}}}}"#);
            ClientRequest::parse(body.as_bytes()).map(|request| request.attributes)
        };
        assert_eq!(parse(r#"{"b":1,"a":2}"#).expect("attributes").len(), 2);
        for attributes in ["[]", "null", "1", r#"{"a":1,"a":2}"#] {
            assert!(parse(attributes).is_err(), "{attributes}");
        }
    }

    #[test]
    fn the_overlap_may_be_left_out() {
        let parse = |attributes: &str| {
            let body =
                format!(r#"{{"data":{{"type":"client_secrets","attributes":{attributes}}}}}"#);
            RegenerateRequest::parse(body.as_bytes()).map(|request| request.overlap_until)
        };
        assert_eq!(RegenerateRequest::parse(b"").ok(), Some(RegenerateRequest::default()));
        assert_eq!(parse("{}").ok(), Some(None));
        assert_eq!(parse(r#"{"overlap_until":null}"#).ok(), Some(None));
        assert_eq!(parse(r#"{"overlap_until":"x"}"#).ok(), Some(Some("x".to_owned())));
        assert!(parse(r#"{"overlap_until":1}"#).is_err());
        assert!(parse(r#"{"until":"x"}"#).is_err());
    }
}
