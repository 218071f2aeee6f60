//! A JSON object as serde should read it: nothing but an object, and no member twice.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

/// By itself serde takes a list for a struct too, as the values of its members in their order.
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'de>>(self, object: M) -> Result<T, M::Error> {
        T::deserialize(MapAccessDeserializer::new(object))
    }
}

/// For a member that null is not the same as none for: with `default`, and this as `deserialize_with`.
pub fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[derive(Deserialize)]
    struct Members {
        #[serde(default, deserialize_with = "present")]
        a: Option<Value>,
    }

    #[test]
    fn an_object_is_no_list_and_tells_null_from_nothing() {
        let a = |text| serde_json::from_str::<Object<Members>>(text).ok().map(|Object(members)| members.a);
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
