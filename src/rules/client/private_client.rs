//! The attributes of a private client, which a member of its organization sets.
//!
//! A private client is a server that keeps a secret (RFC 6749 section 2.1). So it has no private-use
//! schemes, and all of its redirect URIs are on one host. Loopback is allowed for development.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::client::name::ClientName;
use crate::redirect::uri::{RedirectKind, RedirectUri};
use crate::scope::ScopeSet;
use crate::scope::catalog::ScopeCatalog;
use crate::syntax::uri::Uri;
use crate::syntax::web_uri::WebUri;

/// A private client to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPrivateClient {
    pub name: ClientName,
    pub redirect_uris: Vec<RedirectUri>,
    /// Where users begin to connect the client.
    pub onboarding_url: Option<WebUri>,
    pub description: Option<String>,
    pub scopes: ScopeSet,
}

/// The attributes that change. Members that were not sent are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrivateClientChange {
    pub name: Option<ClientName>,
    pub redirect_uris: Option<Vec<RedirectUri>>,
    pub onboarding_url: Option<Option<WebUri>>,
    pub description: Option<Option<String>>,
    pub scopes: Option<ScopeSet>,
}

/// What is wrong, and the path of the wrong member below the attributes, such as
/// `redirect_uris/1`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct AttributeError {
    pub path: String,
    pub problem: AttributeProblem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeProblem {
    Invalid(String),
    /// The scope is for clients of approved partners.
    PrivateScope(String),
}

impl fmt::Display for AttributeProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(text) => formatter.write_str(text),
            Self::PrivateScope(name) => write!(
                formatter,
                "{name} is for approved partners: the operator of this server approves them"
            ),
        }
    }
}

impl AttributeError {
    pub fn invalid(path: impl Into<String>, text: impl fmt::Display) -> Self {
        Self { path: path.into(), problem: AttributeProblem::Invalid(text.to_string()) }
    }

    /// The member is unknown.
    pub fn unknown(member: &str) -> Self {
        Self::invalid(escaped(member), "there is no such attribute")
    }
}

/// A member as a part of a JSON Pointer (RFC 6901 section 3).
pub fn escaped(member: &str) -> String {
    member.replace('~', "~0").replace('/', "~1")
}

pub const MAX_NAME: usize = 100;
pub const MAX_REDIRECT_URIS: usize = 20;
pub const MAX_DESCRIPTION: usize = 500;

impl PrivateClientChange {
    /// Reads the members of `attributes`. A member that is unknown is an error. `approved` are the
    /// private scopes that the organization may use as a partner.
    pub fn parse(
        members: &[(String, Value)],
        catalog: &ScopeCatalog,
        approved: &ScopeSet,
    ) -> Result<Self, AttributeError> {
        let mut change = Self::default();
        for (member, value) in members {
            match member.as_str() {
                "name" => change.name = Some(name(value)?),
                "redirect_uris" => change.redirect_uris = Some(redirect_uris(value)?),
                "onboarding_url" => change.onboarding_url = Some(onboarding_url(value)?),
                "description" => change.description = Some(description(value)?),
                "scopes" => change.scopes = Some(scopes(value, catalog, approved)?),
                unknown => return Err(AttributeError::unknown(unknown)),
            }
        }
        Ok(change)
    }

    pub const fn is_empty(&self) -> bool {
        let Self { name, redirect_uris, onboarding_url, description, scopes } = self;
        name.is_none()
            && redirect_uris.is_none()
            && onboarding_url.is_none()
            && description.is_none()
            && scopes.is_none()
    }

    /// The client to create. Name and redirect URIs are required.
    pub fn into_new(self) -> Result<NewPrivateClient, AttributeError> {
        let missing = |path: &str| AttributeError::invalid(path, format_args!("{path} is missing"));
        Ok(NewPrivateClient {
            name: self.name.ok_or_else(|| missing("name"))?,
            redirect_uris: self.redirect_uris.ok_or_else(|| missing("redirect_uris"))?,
            onboarding_url: self.onboarding_url.flatten(),
            description: self.description.flatten(),
            scopes: self.scopes.unwrap_or_default(),
        })
    }
}

fn name(value: &Value) -> Result<ClientName, AttributeError> {
    let error = |text: &dyn fmt::Display| AttributeError::invalid("name", text);
    let text = value.as_str().ok_or_else(|| error(&"name is not a string"))?;
    if text.chars().nth(MAX_NAME).is_some() {
        return Err(error(&"name is longer than 100 characters: shorten it"));
    }
    ClientName::parse(text).map_err(|problem| error(&format_args!("name {problem}")))
}

fn redirect_uris(value: &Value) -> Result<Vec<RedirectUri>, AttributeError> {
    const MEMBER: &str = "redirect_uris";
    let list = value.as_array().filter(|list| (1..=MAX_REDIRECT_URIS).contains(&list.len()));
    let list = list.ok_or_else(|| {
        AttributeError::invalid(MEMBER, "redirect_uris is not a list of 1 to 20 strings")
    })?;
    let mut uris: Vec<RedirectUri> = Vec::new();
    let mut host = None;
    for (index, value) in list.iter().enumerate() {
        let error =
            |text: &dyn fmt::Display| AttributeError::invalid(format!("{MEMBER}/{index}"), text);
        let text = value.as_str().ok_or_else(|| error(&"the redirect URI is not a string"))?;
        let uri = RedirectUri::parse(text)
            .map_err(|problem| error(&format_args!("the redirect URI {problem}")))?;
        match uri.kind() {
            RedirectKind::PrivateUse => {
                return Err(error(&"the redirect URI must use https, or http on this machine"));
            }
            RedirectKind::Https if !is_on(&mut host, text) => {
                return Err(error(&"all redirect URIs of a client are on one host"));
            }
            RedirectKind::Https | RedirectKind::Loopback => {}
        }
        if uris.contains(&uri) {
            return Err(error(&"the redirect URI is listed twice"));
        }
        uris.push(uri);
    }
    Ok(uris)
}

/// Whether the URI is on the host of the earlier ones. The first one decides.
fn is_on(host: &mut Option<String>, uri: &str) -> bool {
    let own = Uri::parse(uri).ok().and_then(|uri| uri.host().ok().map(|host| host.text.to_owned()));
    match host {
        None => {
            *host = own;
            true
        }
        Some(first) => own.as_ref() == Some(first),
    }
}

fn onboarding_url(value: &Value) -> Result<Option<WebUri>, AttributeError> {
    let error = |text: &dyn fmt::Display| AttributeError::invalid("onboarding_url", text);
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text,
        _ => return Err(error(&"onboarding_url is neither a string nor null")),
    };
    let uri =
        WebUri::parse(text).map_err(|problem| error(&format_args!("onboarding_url {problem}")))?;
    let is_redirect = RedirectUri::parse(text)
        .map_err(|problem| error(&format_args!("onboarding_url {problem}")))?;
    match is_redirect.kind() {
        RedirectKind::Https | RedirectKind::Loopback => Ok(Some(uri)),
        RedirectKind::PrivateUse => Err(error(&"onboarding_url does not use https: use https")),
    }
}

fn description(value: &Value) -> Result<Option<String>, AttributeError> {
    let error = |text: &str| Err(AttributeError::invalid("description", text));
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.chars().nth(MAX_DESCRIPTION).is_some() => {
            error("description is longer than 500 characters: shorten it")
        }
        Value::String(text) if text.chars().any(|char| char.is_control() && char != '\n') => {
            error("description contains a control character: remove it")
        }
        Value::String(text) => Ok(Some(text.clone()).filter(|text| !text.trim().is_empty())),
        _ => error("description is neither a string nor null"),
    }
}

fn scopes(
    value: &Value,
    catalog: &ScopeCatalog,
    approved: &ScopeSet,
) -> Result<ScopeSet, AttributeError> {
    let list = value
        .as_array()
        .ok_or_else(|| AttributeError::invalid("scopes", "scopes is not a list of strings"))?;
    let mut names = BTreeSet::new();
    for (index, value) in list.iter().enumerate() {
        let path = format!("scopes/{index}");
        let known = value.as_str().and_then(|name| catalog.find(name));
        let Some(scope) = known else {
            let text = "the scope is not in the catalog: its operator can add it";
            return Err(AttributeError::invalid(path, text));
        };
        if scope.private && !approved.contains(scope.name.as_str()) {
            let problem = AttributeProblem::PrivateScope(scope.name.to_string());
            return Err(AttributeError { path, problem });
        }
        names.insert(scope.name.clone());
    }
    Ok(names.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scope::catalog::SHIPPED;

    fn parse(attributes: &Value) -> Result<PrivateClientChange, AttributeError> {
        parse_as(attributes, &ScopeSet::default())
    }

    fn parse_as(
        attributes: &Value,
        approved: &ScopeSet,
    ) -> Result<PrivateClientChange, AttributeError> {
        let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
        let members = attributes.as_object().expect("an object").clone();
        let members: Vec<_> = members.into_iter().collect();
        PrivateClientChange::parse(&members, &catalog, approved)
    }

    #[test]
    fn a_partner_may_use_the_private_scopes_that_it_is_approved_for() {
        let attributes = json!({"scopes": ["api_keys_write"]});
        let approved = ScopeSet::parse("api_keys_write").expect("scopes");
        assert_eq!(parse_as(&attributes, &approved).expect("a change").scopes, Some(approved));
    }

    #[test]
    fn every_attribute_is_read_and_the_others_stay_as_they_are() {
        let change = parse(&json!({
            "name": "Pager",
            "redirect_uris": ["https://pager.example/cb", "https://pager.example/2", "http://127.0.0.1:3000/cb"],
            "onboarding_url": "https://www.pager.example/start?from=grantor",
            "description": "On-call alerts",
            "scopes": ["openid", "mcp_read"],
        }))
        .expect("attributes");

        let new = change.clone().into_new().expect("a client");
        assert_eq!(new.name.as_str(), "Pager");
        assert_eq!(new.redirect_uris.len(), 3);
        assert_eq!(new.scopes.to_string(), "mcp_read openid");
        assert!(!change.is_empty());
        let cleared =
            parse(&json!({"description": null, "onboarding_url": null})).expect("a change");
        assert_eq!((cleared.description, cleared.onboarding_url), (Some(None), Some(None)));
        assert!(parse(&json!({})).expect("a change").is_empty());
        let minimal =
            json!({"name": "A", "redirect_uris": ["http://localhost/cb"], "description": " "});
        let minimal = parse(&minimal).and_then(PrivateClientChange::into_new).expect("a client");
        assert_eq!((minimal.description, minimal.scopes.is_empty()), (None, true));
    }

    #[test]
    fn each_error_names_its_member() {
        let hosts = json!(["https://a.example/cb", "http://localhost/cb", "https://b.example/cb"]);
        let long = "x".repeat(501);
        let cases = [
            (json!({"name": 1}), "name", "name is not a string"),
            (json!({"name": " "}), "name", "name is blank: use at least one visible character"),
            (
                json!({"name": "x".repeat(101)}),
                "name",
                "name is longer than 100 characters: shorten it",
            ),
            (
                json!({"redirect_uris": []}),
                "redirect_uris",
                "redirect_uris is not a list of 1 to 20 strings",
            ),
            (
                json!({"redirect_uris": "https://a.example"}),
                "redirect_uris",
                "redirect_uris is not a list of 1 to 20 strings",
            ),
            (json!({"redirect_uris": [1]}), "redirect_uris/0", "the redirect URI is not a string"),
            (
                json!({"redirect_uris": ["app:/cb"]}),
                "redirect_uris/0",
                "the redirect URI must use https, or http on this machine",
            ),
            (
                json!({"redirect_uris": ["https://a.example/#x"]}),
                "redirect_uris/0",
                "the redirect URI has a fragment: remove the # and what follows it",
            ),
            (
                json!({"redirect_uris": hosts}),
                "redirect_uris/2",
                "all redirect URIs of a client are on one host",
            ),
            (
                json!({"redirect_uris": ["https://a.example/cb", "https://a.example/cb"]}),
                "redirect_uris/1",
                "the redirect URI is listed twice",
            ),
            (
                json!({"onboarding_url": 1}),
                "onboarding_url",
                "onboarding_url is neither a string nor null",
            ),
            (json!({"onboarding_url": "app:/start"}), "onboarding_url", "onboarding_url"),
            (
                json!({"onboarding_url": "http://a.example/start"}),
                "onboarding_url",
                "onboarding_url must use https; http is allowed only for 127.0.0.1, [::1] and localhost",
            ),
            (
                json!({"description": long}),
                "description",
                "description is longer than 500 characters: shorten it",
            ),
            (
                json!({"description": "a\u{7}"}),
                "description",
                "description contains a control character: remove it",
            ),
            (json!({"description": 1}), "description", "description is neither a string nor null"),
            (json!({"scopes": "openid"}), "scopes", "scopes is not a list of strings"),
            (
                json!({"scopes": ["openid", "nonsense"]}),
                "scopes/1",
                "the scope is not in the catalog: its operator can add it",
            ),
            (
                json!({"scopes": [null]}),
                "scopes/0",
                "the scope is not in the catalog: its operator can add it",
            ),
            (
                json!({"scopes": ["api_keys_write"]}),
                "scopes/0",
                "api_keys_write is for approved partners: the operator of this server approves them",
            ),
            (json!({"logo~/uri": ""}), "logo~0~1uri", "there is no such attribute"),
        ];
        for (attributes, path, text) in cases {
            let error = parse(&attributes).expect_err(path);
            assert_eq!(error.path, path, "{attributes}");
            assert!(error.to_string().starts_with(text), "{attributes}: {error}");
        }
        let without = |member: &str| {
            let mut attributes = json!({"name": "A", "redirect_uris": ["http://localhost/cb"]});
            attributes.as_object_mut().expect("an object").remove(member);
            parse(&attributes)
                .and_then(PrivateClientChange::into_new)
                .expect_err(member)
                .to_string()
        };
        assert_eq!(without("name"), "name is missing");
        assert_eq!(without("redirect_uris"), "redirect_uris is missing");
    }
}
