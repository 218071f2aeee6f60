//! Custom variables, which an organization defines for the payloads and headers of its webhooks.

use serde_json::Value;

use crate::secret::Secret;
use crate::syntax::json_object::JsonObject;
use crate::webhook::template::is_name_character;

/// The maximum number of custom variables in one organization.
pub const MAX_VARIABLES: u64 = 500;
pub const MAX_NAME_LENGTH: usize = 100;
/// In characters.
pub const MAX_VALUE_LENGTH: usize = 4096;

/// The variables that every template can use.
const BUILT_IN: [&str; 8] =
    ["ID", "EVENT_TYPE", "EVENT_TITLE", "DATE", "ORG_ID", "ORG_NAME", "CLIENT_ID", "EVENT"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewVariable {
    pub name: String,
    /// The value is treated as a secret even if `is_secret` is false.
    pub value: Secret,
    pub is_secret: bool,
}

/// A change to a variable. A member that is `None` is not changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VariableChange {
    pub name: Option<String>,
    pub value: Option<Secret>,
    pub is_secret: Option<bool>,
}

/// The first mistake in a request. Only the first one is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VariableMistake {
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} must be {1}")]
    Type(&'static str, &'static str),
    #[error(
        "name must be 1 to {MAX_NAME_LENGTH} characters long and contain only A to Z, 0 to 9 and _"
    )]
    Name,
    #[error("name is reserved for a built-in variable: choose another name")]
    BuiltIn,
    #[error("value is longer than {MAX_VALUE_LENGTH} characters: shorten it")]
    TooLong,
    /// A user must not be able to read a secret by setting `is_secret` to false.
    #[error("is_secret cannot be set to false for the current value: send a new value with it")]
    StaysSecret,
}

impl NewVariable {
    pub fn parse(body: &JsonObject) -> Result<Self, VariableMistake> {
        let change = VariableChange::parse(body)?;
        Ok(Self {
            name: change.name.ok_or(VariableMistake::Missing("name"))?,
            value: change.value.ok_or(VariableMistake::Missing("value"))?,
            is_secret: change.is_secret.ok_or(VariableMistake::Missing("is_secret"))?,
        })
    }
}

impl VariableChange {
    pub fn parse(body: &JsonObject) -> Result<Self, VariableMistake> {
        Ok(Self {
            name: body.get("name").map(name).transpose()?,
            value: body.get("value").map(value).transpose()?,
            is_secret: body.get("is_secret").map(is_secret).transpose()?,
        })
    }

    /// Checks whether this change is allowed for a variable with this `is_secret`, and returns the
    /// new `is_secret`.
    pub fn secrecy_after(&self, is_secret: bool) -> Result<bool, VariableMistake> {
        match self.is_secret {
            Some(false) if is_secret && self.value.is_none() => Err(VariableMistake::StaysSecret),
            changed => Ok(changed.unwrap_or(is_secret)),
        }
    }
}

fn name(value: &Value) -> Result<String, VariableMistake> {
    let name = value.as_str().ok_or(VariableMistake::Type("name", "a string"))?;
    if !(1..=MAX_NAME_LENGTH).contains(&name.len()) || !name.chars().all(is_name_character) {
        return Err(VariableMistake::Name);
    }
    if BUILT_IN.contains(&name) { Err(VariableMistake::BuiltIn) } else { Ok(name.to_owned()) }
}

fn value(value: &Value) -> Result<Secret, VariableMistake> {
    let value = value.as_str().ok_or(VariableMistake::Type("value", "a string"))?;
    if value.chars().count() > MAX_VALUE_LENGTH {
        return Err(VariableMistake::TooLong);
    }
    Ok(Secret::new(value.to_owned()))
}

fn is_secret(value: &Value) -> Result<bool, VariableMistake> {
    value.as_bool().ok_or(VariableMistake::Type("is_secret", "true or false"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn new(value: Value) -> Result<NewVariable, VariableMistake> {
        NewVariable::parse(&JsonObject::parse(value.to_string().as_bytes()).expect("an object"))
    }

    #[test]
    fn a_variable_has_a_name_a_value_and_is_secret() {
        let longest = "\u{fc}".repeat(MAX_VALUE_LENGTH);
        for (name, value) in [("A", ""), ("_", "\n"), ("0", "x"), (&"N".repeat(100), &longest)] {
            let parsed =
                new(json!({"name": name, "value": value, "is_secret": true, "unknown": 1}));

            let value = Secret::new(value.to_owned());
            assert_eq!(parsed, Ok(NewVariable { name: name.to_owned(), value, is_secret: true }));
        }
    }

    #[test]
    fn the_first_mistake_is_reported_without_the_value() {
        use VariableMistake::{BuiltIn, Missing, Name, TooLong, Type};
        let too_long = "hunter2".repeat(586);
        let cases = [
            (json!({}), Missing("name")),
            (json!({"name": "A"}), Missing("value")),
            (json!({"name": "A", "value": "hunter2"}), Missing("is_secret")),
            (json!({"name": null}), Type("name", "a string")),
            (json!({"name": ""}), Name),
            (json!({"name": "a"}), Name),
            (json!({"name": "A-B"}), Name),
            (json!({"name": "\u{c4}"}), Name),
            (json!({"name": "A\n"}), Name),
            (json!({"name": "N".repeat(101)}), Name),
            (json!({"name": "ID"}), BuiltIn),
            (json!({"name": "EVENT"}), BuiltIn),
            (json!({"name": "A", "value": 7}), Type("value", "a string")),
            (json!({"name": "A", "value": null}), Type("value", "a string")),
            (json!({"name": "A", "value": too_long}), TooLong),
            (
                json!({"name": "A", "value": "hunter2", "is_secret": "no"}),
                Type("is_secret", "true or false"),
            ),
        ];
        for (body, mistake) in cases {
            let error = new(body.clone()).expect_err("the request is refused");

            assert_eq!(error, mistake, "{body}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_secret_becomes_readable_only_if_its_value_is_replaced() {
        let value = Some(Secret::new("new".to_owned()));
        let change = |is_secret, value: &Option<Secret>| VariableChange {
            name: None,
            value: value.clone(),
            is_secret,
        };
        let cases = [
            (true, change(Some(false), &None), Err(VariableMistake::StaysSecret)),
            (true, change(Some(false), &value), Ok(false)),
            (true, change(None, &value), Ok(true)),
            (true, change(None, &None), Ok(true)),
            (false, change(Some(false), &None), Ok(false)),
            (false, change(Some(true), &None), Ok(true)),
            (false, change(None, &value), Ok(false)),
        ];
        for (before, change, after) in cases {
            assert_eq!(change.secrecy_after(before), after, "{before} {change:?}");
        }
    }
}
