//! A JSON object in which no member is repeated, because parsers disagree about which of two
//! members counts (RFC 8259 section 4).

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;

use crate::rules::syntax::json_text;
use crate::rules::syntax::json_text::JsonTextError;

/// A JSON object, with its members in the order of the text.
#[derive(Clone, PartialEq, Default)]
pub struct JsonObject(Vec<(String, Value)>);

/// Why a body is not a JSON object. Messages never quote the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonObjectError {
    #[error(transparent)]
    Text(#[from] JsonTextError),
    #[error("the body is not valid JSON: send one JSON object and nothing else")]
    NotJson,
    #[error("the body is not a JSON object, or it repeats a member")]
    NotAnObject,
}

impl JsonObject {
    pub fn parse(body: &[u8]) -> Result<Self, JsonObjectError> {
        let text = json_text::check(body)?;
        serde_json::from_str(text).map_err(|error| match error.classify() {
            Category::Data => JsonObjectError::NotAnObject,
            Category::Io | Category::Syntax | Category::Eof => JsonObjectError::NotJson,
        })
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find_map(|(known, value)| (known == name).then_some(value))
    }

    pub fn into_members(self) -> Vec<(String, Value)> {
        self.0
    }
}

impl<'de> Deserialize<'de> for JsonObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = JsonObject;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut object: M) -> Result<JsonObject, M::Error> {
        let mut names = BTreeSet::new();
        let mut members = Vec::new();
        while let Some((name, value)) = object.next_entry::<String, Value>()? {
            if !names.insert(name.clone()) {
                return Err(M::Error::custom("a member is repeated"));
            }
            members.push((name, value));
        }
        Ok(JsonObject(members))
    }
}

/// Deserializes a struct from a JSON object only. Without this wrapper, serde also accepts a list
/// with the values of the members in order.
pub struct ObjectOf<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for ObjectOf<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Struct(PhantomData)).map(Self)
    }
}

struct Struct<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Struct<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'de>>(self, object: M) -> Result<T, M::Error> {
        T::deserialize(MapAccessDeserializer::new(object))
    }
}

/// Distinguishes `null` from a missing member: use it as `deserialize_with`, together with
/// `default`.
pub fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_keep_the_order_of_the_text() {
        let object = JsonObject::parse(br#" {"b": 1, "a": [null], "": {}} "#).expect("an object");

        assert_eq!(object.get("a"), Some(&json!([null])));
        assert_eq!(object.get("c"), None);
        let members = object.into_members();
        assert_eq!(members, [("b".to_owned(), json!(1)), ("a".to_owned(), json!([null])), (String::new(), json!({}))]);
    }

    #[test]
    fn everything_except_one_object_without_repeated_members_is_refused() {
        use JsonObjectError::{NotAnObject, NotJson, Text};
        let cases: [(&[u8], JsonObjectError); 9] = [
            (b"", NotJson),
            (b"{", NotJson),
            (b"{} {}", NotJson),
            (b"[]", NotAnObject),
            (b"null", NotAnObject),
            (b"\"{}\"", NotAnObject),
            (br#"{"a": 1, "b": 2, "\u0061": 1}"#, NotAnObject),
            (b"{\"a\": \"\xff\"}", Text(JsonTextError::NotUtf8)),
            (br#"{"a": "\ud800"}"#, Text(JsonTextError::LoneSurrogate)),
        ];
        for (body, error) in cases {
            assert_eq!(JsonObject::parse(body).err(), Some(error), "{}", String::from_utf8_lossy(body));
        }
    }

    #[derive(Deserialize)]
    struct Known {
        #[serde(default, deserialize_with = "present")]
        a: Option<Value>,
    }

    #[test]
    fn a_struct_is_not_read_from_a_list_and_null_differs_from_a_missing_member() {
        let a = |text| serde_json::from_str::<ObjectOf<Known>>(text).ok().map(|ObjectOf(known)| known.a);
        let cases = [
            ("{}", Some(None)),
            (r#"{"a":null,"b":1}"#, Some(Some(Value::Null))),
            (r#"{"a":1}"#, Some(Some(Value::from(1)))),
            (r#"{"a":1,"a":1}"#, None),
            ("[1]", None),
            ("null", None),
        ];
        for (text, expected) in cases {
            assert_eq!(a(text), expected, "{text}");
        }
    }
}
