//! Variables that an organisation defines for the payloads and headers of its webhooks.

use serde_json::Value;

use crate::rules::syntax::json_object::JsonObject;
use crate::rules::webhook::template::is_of_name;
use crate::secret::Secret;

/// In one organisation.
pub const MOST: u64 = 500;
pub const LONGEST_NAME: usize = 100;
pub const LONGEST_VALUE: usize = 4096;

/// What every template has without anybody defining it.
pub const BUILT_IN: [&str; 8] = ["ID", "EVENT_TYPE", "EVENT_TITLE", "DATE", "ORG_ID", "ORG_NAME", "CLIENT_ID", "EVENT"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewVariable {
    pub name: String,
    /// Whether it is one or not, it is treated as one here.
    pub value: Secret,
    pub is_secret: bool,
}

/// `None`: stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VariableChange {
    pub name: Option<String>,
    pub value: Option<Secret>,
    pub is_secret: Option<bool>,
}

/// The first mistake, which is the one that is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VariableMistake {
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} is not {1}")]
    Type(&'static str, &'static str),
    #[error("name is not from 1 to {LONGEST_NAME} of the characters A to Z, 0 to 9 and _")]
    Name,
    #[error("name is that of a variable which every webhook has: choose another one")]
    BuiltIn,
    #[error("value is longer than {LONGEST_VALUE} characters: shorten it")]
    TooLong,
    /// Nobody shall read a secret by calling it none.
    #[error("is_secret cannot become false while the value stays: send a new value beside it")]
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

    /// Whether a variable that is secret, or not, may be changed so; and what it is then.
    pub fn secrecy_after(&self, is_secret: bool) -> Result<bool, VariableMistake> {
        match self.is_secret {
            Some(false) if is_secret && self.value.is_none() => Err(VariableMistake::StaysSecret),
            changed => Ok(changed.unwrap_or(is_secret)),
        }
    }
}

fn name(value: &Value) -> Result<String, VariableMistake> {
    let name = value.as_str().ok_or(VariableMistake::Type("name", "a string"))?;
    if !(1..=LONGEST_NAME).contains(&name.len()) || !name.chars().all(is_of_name) {
        return Err(VariableMistake::Name);
    }
    if BUILT_IN.contains(&name) { Err(VariableMistake::BuiltIn) } else { Ok(name.to_owned()) }
}

fn value(value: &Value) -> Result<Secret, VariableMistake> {
    let value = value.as_str().ok_or(VariableMistake::Type("value", "a string"))?;
    if value.chars().count() > LONGEST_VALUE {
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
    fn a_variable_has_a_name_a_value_and_a_say_about_its_secrecy() {
        let longest = "\u{fc}".repeat(LONGEST_VALUE);
        for (name, value) in [("A", ""), ("_", "\n"), ("0", "x"), (&"N".repeat(100), &longest)] {
            let parsed = new(json!({"name": name, "value": value, "is_secret": true, "unknown": 1}));

            let value = Secret::new(value.to_owned());
            assert_eq!(parsed, Ok(NewVariable { name: name.to_owned(), value, is_secret: true }));
        }
    }

    #[test]
    fn the_first_mistake_is_told_and_never_the_value() {
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
            (json!({"name": "A", "value": "hunter2", "is_secret": "no"}), Type("is_secret", "true or false")),
        ];
        for (body, mistake) in cases {
            let told = new(body.clone()).expect_err("is refused");

            assert_eq!(told, mistake, "{body}");
            assert!(!told.to_string().contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn a_secret_is_made_known_only_by_replacing_it() {
        let value = Some(Secret::new("new".to_owned()));
        let change = |is_secret, value: &Option<Secret>| VariableChange { name: None, value: value.clone(), is_secret };
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
