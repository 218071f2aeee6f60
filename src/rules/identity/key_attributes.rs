//! The attributes of API keys and application keys that callers set.

use serde_json::Value;

use crate::identity::key_name::{KeyName, KeyNameError};
use crate::scope::ScopeSet;
use crate::scope::catalog::ScopeCatalog;

/// The attributes of an API key to create or to change. Members that were not sent are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiKeyChange {
    pub name: Option<KeyName>,
}

/// The attributes of an application key to create or to change. Members that were not sent are
/// `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplicationKeyChange {
    pub name: Option<KeyName>,
    /// `Some(None)` removes the limit.
    pub scopes: Option<Option<ScopeSet>>,
}

/// An application key to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationKeyAttributes {
    pub name: KeyName,
    /// The scopes to which the key is limited. `None`: it may do what the role of its user permits.
    pub scopes: Option<ScopeSet>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyAttributeError {
    #[error("name is missing")]
    NameMissing,
    #[error("name is not a string")]
    NameNotText,
    #[error(transparent)]
    Name(#[from] KeyNameError),
    #[error("scopes is neither a list of strings nor null")]
    ScopesNotList,
    #[error("scopes[{0}] is not in the catalog of this server: correct the name or leave it out")]
    UnknownScope(usize),
    #[error("an attribute is unknown: name is the only one")]
    UnknownOfApiKey,
    #[error("an attribute is unknown: there are only name and scopes")]
    UnknownOfApplicationKey,
}

impl KeyAttributeError {
    /// The path of the wrong member below the attributes. It is empty for an unknown member.
    pub fn path(self) -> String {
        match self {
            Self::NameMissing | Self::NameNotText | Self::Name(_) => "name".to_owned(),
            Self::ScopesNotList => "scopes".to_owned(),
            Self::UnknownScope(index) => format!("scopes/{index}"),
            Self::UnknownOfApiKey | Self::UnknownOfApplicationKey => String::new(),
        }
    }
}

impl ApiKeyChange {
    pub fn parse(members: &[(String, Value)]) -> Result<Self, KeyAttributeError> {
        let mut change = Self::default();
        for (member, value) in members {
            match member.as_str() {
                "name" => change.name = Some(name(value)?),
                _ => return Err(KeyAttributeError::UnknownOfApiKey),
            }
        }
        Ok(change)
    }

    /// The name of a key to create, which is required.
    pub fn into_name(self) -> Result<KeyName, KeyAttributeError> {
        self.name.ok_or(KeyAttributeError::NameMissing)
    }
}

impl ApplicationKeyChange {
    pub fn parse(
        members: &[(String, Value)],
        catalog: &ScopeCatalog,
    ) -> Result<Self, KeyAttributeError> {
        let mut change = Self::default();
        for (member, value) in members {
            match member.as_str() {
                "name" => change.name = Some(name(value)?),
                "scopes" => change.scopes = Some(scopes(value, catalog)?),
                _ => return Err(KeyAttributeError::UnknownOfApplicationKey),
            }
        }
        Ok(change)
    }

    /// The key to create. Its name is required.
    pub fn into_new(self) -> Result<ApplicationKeyAttributes, KeyAttributeError> {
        let name = self.name.ok_or(KeyAttributeError::NameMissing)?;
        Ok(ApplicationKeyAttributes { name, scopes: self.scopes.flatten() })
    }
}

/// Whether a caller with a limited key may limit another key to `wanted`. `None` is no limit. Such
/// a caller could otherwise create a key that may do more than their own.
pub fn may_limit_to(own: Option<&ScopeSet>, wanted: Option<&ScopeSet>) -> bool {
    match (own, wanted) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(own), Some(wanted)) => wanted.is_subset(own),
    }
}

fn name(value: &Value) -> Result<KeyName, KeyAttributeError> {
    let text = value.as_str().ok_or(KeyAttributeError::NameNotText)?;
    Ok(KeyName::parse(text)?)
}

fn scopes(value: &Value, catalog: &ScopeCatalog) -> Result<Option<ScopeSet>, KeyAttributeError> {
    let list = match value {
        Value::Null => return Ok(None),
        Value::Array(list) if list.iter().all(Value::is_string) => list,
        _ => return Err(KeyAttributeError::ScopesNotList),
    };
    let named = list.iter().enumerate().map(|(index, name)| {
        let known = name.as_str().and_then(|name| catalog.find(name));
        known.map(|scope| scope.name.clone()).ok_or(KeyAttributeError::UnknownScope(index))
    });
    named.collect::<Result<_, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scope::catalog::SHIPPED;

    fn members(attributes: &Value) -> Vec<(String, Value)> {
        attributes.as_object().expect("an object").clone().into_iter().collect()
    }

    fn of_api_key(attributes: &Value) -> Result<ApiKeyChange, KeyAttributeError> {
        ApiKeyChange::parse(&members(attributes))
    }

    fn of_application_key(attributes: &Value) -> Result<ApplicationKeyChange, KeyAttributeError> {
        let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
        ApplicationKeyChange::parse(&members(attributes), &catalog)
    }

    fn set(names: &str) -> ScopeSet {
        ScopeSet::parse(names).expect("scopes")
    }

    #[test]
    fn an_api_key_has_a_name() {
        let named = of_api_key(&json!({"name": "Deploy"})).expect("attributes");

        assert_eq!(named.into_name().expect("a name").as_str(), "Deploy");
        assert_eq!(of_api_key(&json!({})), Ok(ApiKeyChange::default()));
        assert_eq!(ApiKeyChange::default().into_name(), Err(KeyAttributeError::NameMissing));
    }

    #[test]
    fn an_application_key_has_a_name_and_may_have_scopes() {
        let both = json!({"name": "Deploy", "scopes": ["user_app_keys", "api_keys_read"]});
        let cases = [
            (both, Some(Some(set("api_keys_read user_app_keys")))),
            (json!({"name": "Deploy", "scopes": []}), Some(Some(set("")))),
            (json!({"name": "Deploy", "scopes": ["openid", "openid"]}), Some(Some(set("openid")))),
            (json!({"name": "Deploy", "scopes": null}), Some(None)),
            (json!({"name": "Deploy"}), None),
        ];
        for (attributes, scopes) in cases {
            let change = of_application_key(&attributes).expect("attributes");
            assert_eq!(change.scopes, scopes, "{attributes}");
            let new = change.into_new().expect("a key");
            assert_eq!((new.name.as_str(), new.scopes), ("Deploy", scopes.flatten()));
        }
        let nameless = of_application_key(&json!({"scopes": null})).expect("attributes");
        assert_eq!(nameless.into_new(), Err(KeyAttributeError::NameMissing));
    }

    #[test]
    fn each_error_names_its_member() {
        let cases = [
            (json!({"name": 1}), "name", "name is not a string"),
            (json!({"name": null}), "name", "name is not a string"),
            (json!({"name": " "}), "name", "name is empty: use 1 to 255 characters"),
            (json!({"scopes": "openid"}), "scopes", "scopes is neither a list of strings nor null"),
            (json!({"scopes": [1]}), "scopes", "scopes is neither a list of strings nor null"),
            (
                json!({"scopes": ["openid", "open"]}),
                "scopes/1",
                "scopes[1] is not in the catalog of this server: correct the name or leave it out",
            ),
            (json!({"x": 1}), "", "an attribute is unknown: there are only name and scopes"),
        ];
        for (attributes, path, text) in cases {
            let error = of_application_key(&attributes).expect_err("an error");
            assert_eq!((error.path().as_str(), error.to_string().as_str()), (path, text));
        }
        let cases = [
            (json!({"name": []}), "name", "name is not a string"),
            (json!({"scopes": []}), "", "an attribute is unknown: name is the only one"),
            (json!({"category": "x"}), "", "an attribute is unknown: name is the only one"),
        ];
        for (attributes, path, text) in cases {
            let error = of_api_key(&attributes).expect_err("an error");
            assert_eq!((error.path().as_str(), error.to_string().as_str()), (path, text));
        }
        assert_eq!(KeyAttributeError::NameMissing.path(), "name");
        assert_eq!(KeyAttributeError::NameMissing.to_string(), "name is missing");
    }

    #[test]
    fn a_limited_caller_cannot_give_more_than_they_have() {
        let (one, both) = (set("openid"), set("openid email"));
        let cases = [
            (None, None, true),
            (None, Some(&both), true),
            (Some(&both), Some(&one), true),
            (Some(&both), Some(&both), true),
            (Some(&one), Some(&both), false),
            (Some(&both), None, false),
        ];
        for (own, wanted, expected) in cases {
            assert_eq!(may_limit_to(own, wanted), expected, "{own:?} {wanted:?}");
        }
        assert!(may_limit_to(Some(&one), Some(&ScopeSet::default())));
    }
}
