//! JSON objects. Repeated members are found, because parsers disagree about which of two members
//! counts (RFC 8259 section 4).

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;

use crate::syntax::json_text;
use crate::syntax::json_text::JsonTextError;

/// Where the members of an object go.
pub trait Members: Default {
    /// What identifies a member, read from its name.
    type Name: DeserializeOwned;

    /// Whether the member is kept. The value of another one is skipped without reading it.
    fn keeps(name: &Self::Name) -> bool;

    /// Adds a member, or returns its name if there is already one with this name.
    fn add(&mut self, name: Self::Name, value: Value) -> Result<(), Self::Name>;
}

/// An object that was read to its end.
pub struct Object<M: Members> {
    pub members: M,
    /// The first name that occurs twice.
    pub repeated: Option<M::Name>,
}

/// Why a body is not one JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    Text(JsonTextError),
    NotJson,
    NotAnObject,
}

/// Reads a body that is one JSON object and nothing else.
pub fn read<M: Members>(body: &[u8]) -> Result<Object<M>, ReadError> {
    let text = json_text::check(body).map_err(ReadError::Text)?;
    serde_json::from_str(text).map_err(|error| match error.classify() {
        Category::Data => ReadError::NotAnObject,
        Category::Io | Category::Syntax | Category::Eof => ReadError::NotJson,
    })
}

impl<'de, M: Members> Deserialize<'de> for Object<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<M>(PhantomData<M>);

impl<'de, M: Members> Visitor<'de> for ObjectVisitor<M> {
    type Value = Object<M>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<M>, A::Error> {
        let mut object = Object { members: M::default(), repeated: None };
        while let Some(name) = map.next_key::<M::Name>()? {
            if !M::keeps(&name) {
                map.next_value::<IgnoredAny>()?;
            } else if let Err(name) = object.members.add(name, map.next_value()?) {
                object.repeated.get_or_insert(name);
            }
        }
        Ok(object)
    }
}

/// All members, in the order of the text.
#[derive(Default)]
pub struct AllMembers {
    names: BTreeSet<String>,
    members: Vec<(String, Value)>,
}

impl Members for AllMembers {
    type Name = String;

    fn keeps(_name: &String) -> bool {
        true
    }

    fn add(&mut self, name: String, value: Value) -> Result<(), String> {
        if !self.names.insert(name.clone()) {
            return Err(name);
        }
        self.members.push((name, value));
        Ok(())
    }
}

impl AllMembers {
    pub fn into_vec(self) -> Vec<(String, Value)> {
        self.members
    }
}

/// A JSON object, with its members in the order of the text.
#[derive(Clone, PartialEq, Default)]
pub struct JsonObject(Vec<(String, Value)>);

/// Why a body is not a JSON object without repeated members. Messages never quote the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonObjectError {
    #[error(transparent)]
    Text(JsonTextError),
    #[error("{NOT_JSON}")]
    NotJson,
    #[error("the body is not a JSON object, or it repeats a member")]
    NotAnObject,
}

/// The text of all errors for a body that is not JSON.
pub const NOT_JSON: &str = "the body is not valid JSON: send one JSON object and nothing else";

impl From<ReadError> for JsonObjectError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Text(error) => Self::Text(error),
            ReadError::NotJson => Self::NotJson,
            ReadError::NotAnObject => Self::NotAnObject,
        }
    }
}

impl JsonObject {
    pub fn parse(body: &[u8]) -> Result<Self, JsonObjectError> {
        let Object { members, repeated } = read::<AllMembers>(body)?;
        match repeated {
            None => Ok(Self(members.into_vec())),
            Some(_) => Err(JsonObjectError::NotAnObject),
        }
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find_map(|(known, value)| (known == name).then_some(value))
    }

    pub fn into_members(self) -> Vec<(String, Value)> {
        self.0
    }
}

/// Deserializes a struct from a JSON object only. Without this wrapper, serde also accepts a list
/// with the values of the members in order.
#[derive(Default)]
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
pub fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
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
        assert_eq!(
            members,
            [
                ("b".to_owned(), json!(1)),
                ("a".to_owned(), json!([null])),
                (String::new(), json!({}))
            ]
        );
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
            assert_eq!(
                JsonObject::parse(body).err(),
                Some(error),
                "{}",
                String::from_utf8_lossy(body)
            );
        }
    }

    #[derive(Deserialize)]
    struct Known {
        #[serde(default, deserialize_with = "present")]
        a: Option<Value>,
    }

    #[test]
    fn a_struct_is_not_read_from_a_list_and_null_differs_from_a_missing_member() {
        let a = |text| {
            serde_json::from_str::<ObjectOf<Known>>(text).ok().map(|ObjectOf(known)| known.a)
        };
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
