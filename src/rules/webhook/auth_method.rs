//! Auth methods: how this server gets access tokens for the receivers of webhooks, with the client
//! credentials grant (RFC 6749 section 4.4).
//!
//! Errors name the member and the rule and never quote the value: one of the members is a secret,
//! and people put secrets into the wrong member.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::syntax::json_object::present;
use crate::webhook::receiver_url;
use crate::webhook::receiver_url::ReceiverUrlMistake;

/// In characters.
const MAX_NAME_LENGTH: usize = 100;
const MAX_VALUE_LENGTH: usize = 2048;

/// The attributes as they were sent, each at most once. The type has no `Debug`, because it
/// contains the secret.
#[derive(Default, Deserialize)]
pub struct RawAuthMethod {
    #[serde(default, deserialize_with = "present")]
    name: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    access_token_url: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    client_id: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    client_secret: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    audience: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    scope: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAuthMethod {
    pub name: String,
    pub access_token_url: String,
    pub client_id: String,
    pub client_secret: Secret,
    pub audience: Option<String>,
    pub scope: Option<String>,
}

/// A change to an auth method. `None` does not change a member, and `Some(None)` removes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthMethodChange {
    pub name: Option<String>,
    pub access_token_url: Option<String>,
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    pub audience: Option<Option<String>>,
    pub scope: Option<Option<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    Name,
    AccessTokenUrl,
    ClientId,
    ClientSecret,
    Audience,
    Scope,
}

impl Member {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::AccessTokenUrl => "access_token_url",
            Self::ClientId => "client_id",
            Self::ClientSecret => "client_secret",
            Self::Audience => "audience",
            Self::Scope => "scope",
        }
    }

    pub const fn max_length(self) -> usize {
        match self {
            Self::Name => MAX_NAME_LENGTH,
            _ => MAX_VALUE_LENGTH,
        }
    }

    const fn may_be_null(self) -> bool {
        matches!(self, Self::Audience | Self::Scope)
    }
}

impl fmt::Display for Member {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthMethodMistake {
    #[error("{0} is missing: send a string")]
    Missing(Member),
    #[error("{0} is null: send a string, or omit it in a change")]
    Null(Member),
    #[error("{0} is not a string: send a JSON string{or_null}", or_null = if .0.may_be_null() { " or null" } else { "" })]
    NotAString(Member),
    #[error("{0} is empty: {advice}", advice = if .0.may_be_null() { "send null for none" } else { "send at least one character" })]
    Empty(Member),
    #[error("{0} is longer than {max} characters: shorten it", max = .0.max_length())]
    TooLong(Member),
    #[error("{0} contains a control character, such as a line break: remove it")]
    ControlCharacter(Member),
    #[error("{member} {0}", member = Member::AccessTokenUrl)]
    Url(ReceiverUrlMistake),
}

impl AuthMethodMistake {
    pub const fn member(&self) -> Member {
        match self {
            Self::Missing(member)
            | Self::Null(member)
            | Self::NotAString(member)
            | Self::Empty(member)
            | Self::TooLong(member)
            | Self::ControlCharacter(member) => *member,
            Self::Url(_) => Member::AccessTokenUrl,
        }
    }
}

impl NewAuthMethod {
    pub fn parse(raw: RawAuthMethod, allow_loopback: bool) -> Result<Self, AuthMethodMistake> {
        Ok(Self {
            name: required(raw.name, Member::Name)?,
            access_token_url: url(
                required(raw.access_token_url, Member::AccessTokenUrl)?,
                allow_loopback,
            )?,
            client_id: required(raw.client_id, Member::ClientId)?,
            client_secret: Secret::new(required(raw.client_secret, Member::ClientSecret)?),
            audience: nullable(raw.audience, Member::Audience)?.flatten(),
            scope: nullable(raw.scope, Member::Scope)?.flatten(),
        })
    }
}

impl AuthMethodChange {
    pub fn parse(raw: RawAuthMethod, allow_loopback: bool) -> Result<Self, AuthMethodMistake> {
        let access_token_url = optional(raw.access_token_url, Member::AccessTokenUrl)?;
        Ok(Self {
            name: optional(raw.name, Member::Name)?,
            access_token_url: access_token_url.map(|text| url(text, allow_loopback)).transpose()?,
            client_id: optional(raw.client_id, Member::ClientId)?,
            client_secret: optional(raw.client_secret, Member::ClientSecret)?.map(Secret::new),
            audience: nullable(raw.audience, Member::Audience)?,
            scope: nullable(raw.scope, Member::Scope)?,
        })
    }
}

fn required(value: Option<Value>, member: Member) -> Result<String, AuthMethodMistake> {
    optional(value, member)?.ok_or(AuthMethodMistake::Missing(member))
}

fn optional(value: Option<Value>, member: Member) -> Result<Option<String>, AuthMethodMistake> {
    match value {
        None => Ok(None),
        Some(Value::Null) => Err(AuthMethodMistake::Null(member)),
        Some(value) => text(value, member).map(Some),
    }
}

fn nullable(
    value: Option<Value>,
    member: Member,
) -> Result<Option<Option<String>>, AuthMethodMistake> {
    match value {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(value) => text(value, member).map(|text| Some(Some(text))),
    }
}

/// Checks a text and returns it unchanged. Control characters are not allowed in these values (RFC
/// 6749 appendix A), and Postgres cannot store a NUL.
fn text(value: Value, member: Member) -> Result<String, AuthMethodMistake> {
    let Value::String(text) = value else { return Err(AuthMethodMistake::NotAString(member)) };
    // A refused value is erased from memory, because it may be the secret.
    let mut text = Zeroizing::new(text);
    if text.chars().all(char::is_whitespace) {
        return Err(AuthMethodMistake::Empty(member));
    }
    if text.chars().count() > member.max_length() {
        return Err(AuthMethodMistake::TooLong(member));
    }
    if text.chars().any(char::is_control) {
        return Err(AuthMethodMistake::ControlCharacter(member));
    }
    Ok(std::mem::take(&mut text))
}

fn url(text: String, allow_loopback: bool) -> Result<String, AuthMethodMistake> {
    receiver_url::parse(&text, allow_loopback).map_err(AuthMethodMistake::Url)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::AuthMethodMistake::{ControlCharacter, Empty, Missing, NotAString, Null, TooLong};
    use super::*;

    const MEMBERS: [Member; 6] = [
        Member::Name,
        Member::AccessTokenUrl,
        Member::ClientId,
        Member::ClientSecret,
        Member::Audience,
        Member::Scope,
    ];

    fn whole() -> Value {
        json!({
            "name": "Größe",
            "access_token_url": "https://auth.example/token",
            "client_id": "a client",
            "client_secret": "hunter2",
            "audience": "https://api.example",
            "scope": "read write",
        })
    }

    fn raw(attributes: Value) -> RawAuthMethod {
        serde_json::from_value(attributes).expect("attributes")
    }

    fn with(member: Member, value: Value) -> Value {
        let mut attributes = whole();
        attributes[member.name()] = value;
        attributes
    }

    fn without(member: Member) -> Value {
        let mut attributes = whole();
        attributes.as_object_mut().expect("an object").remove(member.name());
        attributes
    }

    fn created(attributes: Value) -> Result<NewAuthMethod, AuthMethodMistake> {
        NewAuthMethod::parse(raw(attributes), false)
    }

    fn changed(attributes: Value) -> Result<AuthMethodChange, AuthMethodMistake> {
        AuthMethodChange::parse(raw(attributes), false)
    }

    #[test]
    fn a_new_auth_method_is_kept_as_it_was_sent() {
        let expected = NewAuthMethod {
            name: "Größe".to_owned(),
            access_token_url: "https://auth.example/token".to_owned(),
            client_id: "a client".to_owned(),
            client_secret: Secret::new("hunter2".to_owned()),
            audience: Some("https://api.example".to_owned()),
            scope: Some("read write".to_owned()),
        };
        assert_eq!(created(whole()), Ok(expected.clone()));
        for nothing in [without(Member::Audience), with(Member::Audience, Value::Null)] {
            assert_eq!(created(nothing), Ok(NewAuthMethod { audience: None, ..expected.clone() }));
        }
        assert_eq!(
            created(with(Member::Scope, Value::Null)),
            Ok(NewAuthMethod { scope: None, ..expected.clone() })
        );
        assert!(!format!("{expected:?}").contains("hunter2"));
    }

    #[test]
    fn a_change_distinguishes_missing_members_from_null() {
        let text = |text: &str| Some(text.to_owned());
        let nothing = AuthMethodChange::default();
        let cases = [
            (json!({}), nothing.clone()),
            (json!({"unknown": 1}), nothing.clone()),
            (json!({"name": "b"}), AuthMethodChange { name: text("b"), ..nothing.clone() }),
            (
                json!({"audience": null}),
                AuthMethodChange { audience: Some(None), ..nothing.clone() },
            ),
            (
                json!({"audience": "a"}),
                AuthMethodChange { audience: Some(text("a")), ..nothing.clone() },
            ),
            (json!({"scope": null}), AuthMethodChange { scope: Some(None), ..nothing.clone() }),
            (
                json!({"client_secret": "s"}),
                AuthMethodChange { client_secret: Some(Secret::new("s".to_owned())), ..nothing },
            ),
        ];
        for (attributes, expected) in cases {
            assert_eq!(changed(attributes.clone()), Ok(expected), "{attributes}");
        }
    }

    #[test]
    fn creating_and_changing_have_the_same_rules_for_each_member() {
        for member in MEMBERS {
            let text_over_limit = |extra: usize| json!("é".repeat(member.max_length() + extra));
            let cases = [
                (json!(7), NotAString(member)),
                (json!(["a"]), NotAString(member)),
                (json!({}), NotAString(member)),
                (json!(""), Empty(member)),
                (json!("\u{a0} \n"), Empty(member)),
                (text_over_limit(1), TooLong(member)),
                (json!("a\u{0}"), ControlCharacter(member)),
                (json!("a\nb"), ControlCharacter(member)),
                (json!("\u{85}a"), ControlCharacter(member)),
            ];
            for (value, mistake) in cases {
                let attributes = with(member, value);
                assert_eq!(created(attributes.clone()), Err(mistake.clone()), "{attributes}");
                assert_eq!(changed(attributes), Err(mistake.clone()));
                assert_eq!(mistake.member(), member);
            }
            let is_accepted = member == Member::AccessTokenUrl
                || created(with(member, text_over_limit(0))).is_ok();
            assert!(is_accepted, "{member}");
        }
    }

    #[test]
    fn required_members_cannot_be_missing_or_null() {
        for member in MEMBERS {
            let missing = created(without(member)).err();
            let null = (
                created(with(member, Value::Null)).err(),
                changed(with(member, Value::Null)).err(),
            );

            assert!(changed(without(member)).is_ok());
            match member {
                Member::Audience | Member::Scope => {
                    assert_eq!((missing, null), (None, (None, None)))
                }
                _ => assert_eq!(
                    (missing, null),
                    (Some(Missing(member)), (Some(Null(member)), Some(Null(member))))
                ),
            }
        }
    }

    #[test]
    fn the_url_must_be_a_valid_receiver_url() {
        for (url, strictly, with_loopback) in [
            ("https://auth.example/token", true, true),
            ("http://auth.example/token", false, false),
            ("https://ada:pw@auth.example/token", false, false),
            ("https://auth.example/token#a", false, false),
            ("https://192.168.0.1/token", false, false),
            ("http://127.0.0.1:9000/token", false, true),
        ] {
            let outcome = |allow_loopback| {
                let attributes = with(Member::AccessTokenUrl, json!(url));
                let change = AuthMethodChange::parse(raw(attributes.clone()), allow_loopback);
                let new = NewAuthMethod::parse(raw(attributes), allow_loopback);
                assert_eq!(new.clone().err(), change.err());
                new.is_ok_and(|new| new.access_token_url == url)
            };
            assert_eq!((outcome(false), outcome(true)), (strictly, with_loopback), "{url}");
        }
    }

    #[test]
    fn an_error_names_the_member_and_the_remedy() {
        let url = ReceiverUrlMistake::NotHttps;
        let cases = [
            (Missing(Member::ClientId), "client_id is missing: send a string".to_owned()),
            (Null(Member::Name), "name is null: send a string, or omit it in a change".to_owned()),
            (NotAString(Member::Name), "name is not a string: send a JSON string".to_owned()),
            (
                NotAString(Member::Scope),
                "scope is not a string: send a JSON string or null".to_owned(),
            ),
            (
                Empty(Member::ClientSecret),
                "client_secret is empty: send at least one character".to_owned(),
            ),
            (Empty(Member::Audience), "audience is empty: send null for none".to_owned()),
            (TooLong(Member::Name), "name is longer than 100 characters: shorten it".to_owned()),
            (
                ControlCharacter(Member::Scope),
                "scope contains a control character, such as a line break: remove it".to_owned(),
            ),
            (AuthMethodMistake::Url(url), format!("access_token_url {url}")),
        ];
        for (mistake, text) in cases {
            assert_eq!(mistake.to_string(), text);
        }
    }
}
