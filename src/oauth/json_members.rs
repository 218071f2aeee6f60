//! One JSON object, member by member in the order of the text. A member that stands twice is refused, since readers
//! disagree about which of the two counts (RFC 8259 section 4).

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;

use super::json_text::{self, JsonTextError};

#[derive(Clone, PartialEq, Default)]
pub struct JsonObject(Vec<(String, Value)>);

/// The words are about a body, and never quote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonObjectError {
    #[error(transparent)]
    Text(#[from] JsonTextError),
    #[error("the body is not valid JSON: send one JSON object and nothing else")]
    NotJson,
    #[error("the body is not a JSON object with each member at most once")]
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
        let mut names = std::collections::BTreeSet::new();
        let mut members = Vec::new();
        while let Some((name, value)) = object.next_entry::<String, Value>()? {
            if !names.insert(name.clone()) {
                return Err(M::Error::custom("a member stands twice"));
            }
            members.push((name, value));
        }
        Ok(JsonObject(members))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_come_in_the_order_of_the_text() {
        let object = JsonObject::parse(br#" {"b": 1, "a": [null], "": {}} "#).expect("an object");

        assert_eq!(object.get("a"), Some(&json!([null])));
        assert_eq!(object.get("c"), None);
        let members = object.into_members();
        assert_eq!(members, [("b".to_owned(), json!(1)), ("a".to_owned(), json!([null])), (String::new(), json!({}))]);
    }

    #[test]
    fn everything_but_one_object_with_each_member_once_is_refused() {
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
}
