//! The body of a registration request (RFC 7591 section 3.1): a JSON object, reduced to the known
//! members.
//!
//! Unknown members are ignored, as RFC 7591 section 2 requires. A known member that occurs twice is
//! refused, because two parsers could read different clients from the same body. Types are checked
//! later, for each member, so that the error can name the member.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use serde_json::Value;

use crate::client::member::Member;
use crate::client::metadata_error::{MetadataError, Problem};
use crate::syntax::json_object;
use crate::syntax::json_object::{Members, NOT_JSON, Object, ReadError};
use crate::syntax::json_text::JsonTextError;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawClientMetadata([Option<Value>; Member::ALL.len()]);

/// The reason why a body is not a JSON object that all parsers read alike. The texts never quote
/// the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableBody {
    #[error(transparent)]
    Text(JsonTextError),
    #[error("{NOT_JSON}")]
    NotJson,
    #[error("the body is not a JSON object: send the metadata as members of one object")]
    NotAnObject,
    #[error("the body contains {0} more than once: send it once")]
    DuplicateMember(&'static str),
}

impl From<ReadError> for UnreadableBody {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Text(error) => Self::Text(error),
            ReadError::NotJson => Self::NotJson,
            ReadError::NotAnObject => Self::NotAnObject,
        }
    }
}

impl RawClientMetadata {
    pub fn from_json(body: &[u8]) -> Result<Self, UnreadableBody> {
        let Object { members, repeated } = json_object::read::<Self>(body)?;
        match repeated {
            Some(Key(Some(member))) => Err(UnreadableBody::DuplicateMember(member.name())),
            Some(Key(None)) | None => Ok(members),
        }
    }

    /// Replaces the value of a member.
    pub(crate) fn with(mut self, member: Member, value: Value) -> Self {
        if let Some(slot) = self.0.get_mut(member as usize) {
            *slot = Some(value);
        }
        self
    }

    /// The value that was sent. `null` counts as absent.
    pub fn value(&self, member: Member) -> Option<&Value> {
        self.0.get(member as usize)?.as_ref().filter(|value| !value.is_null())
    }

    pub fn text(&self, member: Member) -> Result<Option<&str>, MetadataError> {
        let Some(value) = self.value(member) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| MetadataError::new(member, Problem::NotAString))
    }

    /// The items of a list, which must not be empty.
    pub fn list(&self, member: Member) -> Result<Option<&[Value]>, MetadataError> {
        let Some(value) = self.value(member) else { return Ok(None) };
        let items =
            value.as_array().ok_or_else(|| MetadataError::new(member, Problem::NotAList))?;
        if items.is_empty() {
            return Err(MetadataError::new(member, Problem::EmptyList));
        }
        Ok(Some(items))
    }
}

impl Members for RawClientMetadata {
    type Name = Key;

    fn keeps(name: &Key) -> bool {
        name.0.is_some()
    }

    fn add(&mut self, name: Key, value: Value) -> Result<(), Key> {
        if let Key(Some(member)) = name
            && let Some(slot) = self.0.get_mut(member as usize)
            && slot.replace(value).is_some()
        {
            return Err(name);
        }
        Ok(())
    }
}

/// The name of a member, recognized without copying it.
#[derive(Clone, Copy)]
pub struct Key(Option<Member>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a member")
    }

    fn visit_str<E>(self, name: &str) -> Result<Key, E> {
        Ok(Key(Member::named(name)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(body: &str) -> Result<RawClientMetadata, UnreadableBody> {
        RawClientMetadata::from_json(body.as_bytes())
    }

    #[test]
    fn members_have_the_names_of_the_rfc_and_unknown_ones_are_ignored() {
        for member in Member::ALL {
            let raw =
                read(&json!({ member.name(): "here", "client_id": "x", "x": [{}] }).to_string())
                    .expect("an object");

            for other in Member::ALL {
                let expected = (other == member).then(|| json!("here"));
                assert_eq!(raw.value(other), expected.as_ref(), "{member:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_name_can_be_escaped_and_is_case_sensitive() {
        let raw = read(r#"{"sc\u006fpe": "openid", "Client_Name": "x"}"#).expect("an object");

        assert_eq!(raw.text(Member::Scope), Ok(Some("openid")));
        assert_eq!(raw.value(Member::ClientName), None);
    }

    #[test]
    fn null_counts_as_absent() {
        for member in Member::ALL {
            assert_eq!(
                read(&json!({ member.name(): null }).to_string()).expect("an object").value(member),
                None
            );
        }
    }

    #[test]
    fn a_known_member_that_occurs_twice_is_refused() {
        let cases = [
            (r#"{"scope":"a","scope":"a"}"#, Err(UnreadableBody::DuplicateMember("scope"))),
            (r#"{"scope":null,"scope":"a"}"#, Err(UnreadableBody::DuplicateMember("scope"))),
            (r#"{"scope":"a","sc\u006fpe":"b"}"#, Err(UnreadableBody::DuplicateMember("scope"))),
            (
                r#"{"tos_uri":1,"scope":1,"tos_uri":1,"scope":1}"#,
                Err(UnreadableBody::DuplicateMember("tos_uri")),
            ),
            (r#"{"scope":"a","scope":"a"} x"#, Err(UnreadableBody::NotJson)),
            (r#"{"x":1,"x":2,"y":{"scope":1},"z":{"scope":1}}"#, Ok(RawClientMetadata::default())),
        ];
        for (body, expected) in cases {
            assert_eq!(read(body), expected, "{body}");
        }
    }

    #[test]
    fn a_body_that_is_not_a_json_object_is_refused_with_a_reason() {
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(32), "]".repeat(32));
        let cases = [
            ("", UnreadableBody::NotJson),
            ("{", UnreadableBody::NotJson),
            ("{} {}", UnreadableBody::NotJson),
            ("{}\0", UnreadableBody::NotJson),
            ("{'scope':'a'}", UnreadableBody::NotJson),
            ("{\"scope\":\"a\",}", UnreadableBody::NotJson),
            ("{\"scope\":NaN}", UnreadableBody::NotJson),
            ("{\"x\":NaN}", UnreadableBody::NotJson),
            ("{\"scope\":\"a\nb\"}", UnreadableBody::NotJson),
            ("{\"x\":\"a\nb\"}", UnreadableBody::NotJson),
            ("{\"scope\":\"\\x\"}", UnreadableBody::NotJson),
            ("{/**/}", UnreadableBody::NotJson),
            ("client_name=x&redirect_uris=y", UnreadableBody::NotJson),
            ("[]", UnreadableBody::NotAnObject),
            ("[{}]", UnreadableBody::NotAnObject),
            ("null", UnreadableBody::NotAnObject),
            ("\"text\"", UnreadableBody::NotAnObject),
            ("12", UnreadableBody::NotAnObject),
            ("\u{FEFF}{}", UnreadableBody::Text(JsonTextError::ByteOrderMark)),
            ("{\"x\":\"\\ud800\"}", UnreadableBody::Text(JsonTextError::LoneSurrogate)),
            (deep.as_str(), UnreadableBody::Text(JsonTextError::TooDeep)),
        ];
        for (body, expected) in cases {
            assert_eq!(read(body), Err(expected), "{body}");
        }
        assert_eq!(
            RawClientMetadata::from_json(b"{\"x\":\"\xff\"}"),
            Err(UnreadableBody::Text(JsonTextError::NotUtf8)),
        );
    }

    #[test]
    fn an_error_names_the_member_of_the_wrong_type() {
        let raw = read(r#"{"scope":["a"],"client_name":7,"redirect_uris":"x","grant_types":{},"response_types":[]}"#)
            .expect("an object");
        let described =
            |error: Option<MetadataError>| error.map(|error| error.to_string()).unwrap_or_default();
        let text = |member| described(raw.text(member).err());
        let list = |member| described(raw.list(member).err());

        assert_eq!(text(Member::Scope), "scope is not a string: send a JSON string");
        assert_eq!(text(Member::ClientName), "client_name is not a string: send a JSON string");
        assert_eq!(
            list(Member::RedirectUris),
            "redirect_uris is not a list: send a JSON list of strings"
        );
        assert_eq!(
            list(Member::GrantTypes),
            "grant_types is not a list: send a JSON list of strings"
        );
        assert_eq!(
            list(Member::ResponseTypes),
            "response_types is an empty list: send at least one value"
        );
        assert_eq!(
            (text(Member::TosUri), list(Member::TosUri)),
            (String::new(), String::new()),
            "an absent member is not an error"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = RawClientMetadata::from_json(&body);
        }

        #[test]
        fn text_that_a_strict_json_parser_refuses_is_refused(body in r#"\{("(x|scope)":(1|"a"|\[\]|NaN|01|"\\u0041"|null),?){0,3}\}?"#) {
            if read(&body).is_ok() {
                prop_assert!(serde_json::from_str::<Value>(&body).is_ok());
            }
        }
    }
}
