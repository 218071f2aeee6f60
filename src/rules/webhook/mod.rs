//! Webhooks: the URLs to which an organization's events are delivered, and the format of the
//! requests.

pub mod auth_method;
pub mod client_secret_url;
pub mod delivery;
pub mod event;
pub mod receiver_url;
pub mod secret_binding;
pub mod template;
pub mod variable;

use std::collections::BTreeSet;

use serde_json::Value;
use uuid::Uuid;

use crate::id::AuthMethodId;
use crate::secret::Secret;
use crate::syntax::address::AddressRules;
use crate::syntax::json_object::JsonObject;
use crate::webhook::event::Event;
use crate::webhook::receiver_url::ReceiverUrlMistake;
use crate::webhook::template::{Headers, Payload, TemplateMistake};

/// The maximum number of webhooks in one organization.
pub const MAX_WEBHOOKS: u64 = 100;
/// In characters.
pub const MAX_NAME_LENGTH: usize = 100;
/// Longer event names are not quoted in errors.
const MAX_QUOTED_LENGTH: usize = 64;
/// Seconds during which a replaced signing secret is used in addition to the new one.
pub const PREVIOUS_SECRET_LIFETIME: i64 = 24 * 60 * 60;

/// The format of the request body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    #[default]
    Json,
    Form,
}

impl Encoding {
    pub const ALL: [Self; 2] = [Self::Json, Self::Form];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Form => "form",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|encoding| encoding.name() == name)
    }
}

/// A webhook to create, with names and texts as they were sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWebhook {
    pub name: String,
    pub url: String,
    pub encode_as: Encoding,
    pub payload: Option<String>,
    /// A secret, because headers often contain credentials.
    pub custom_headers: Option<Secret>,
    pub auth_method_id: Option<AuthMethodId>,
    /// `None` means every event.
    pub event_kinds: Option<Vec<String>>,
}

/// A change to a webhook. `None` does not change a member, and `Some(None)` clears it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookChange {
    pub name: Option<String>,
    pub url: Option<String>,
    pub encode_as: Option<Encoding>,
    pub payload: Option<Option<String>>,
    pub custom_headers: Option<Option<Secret>>,
    pub auth_method_id: Option<Option<AuthMethodId>>,
    pub event_kinds: Option<Option<Vec<String>>>,
    pub rotate_signing_secret: bool,
}

/// The first mistake in a request. Only the first one is reported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookMistake {
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} must be {1}")]
    Type(&'static str, &'static str),
    #[error("name {0}")]
    Name(NameMistake),
    #[error("url {0}")]
    Url(ReceiverUrlMistake),
    #[error("payload {0}")]
    Payload(TemplateMistake),
    #[error("custom_headers {0}")]
    CustomHeaders(TemplateMistake),
    #[error("events is empty: name at least one event, or send null for all events")]
    NoEvents,
    #[error("events has more than {} items", Event::KINDS.len())]
    TooManyEvents,
    #[error("events[{index}]{} is not an event: use one of {}", quoted(.name), Event::KINDS.join(", "))]
    UnknownEvent { index: usize, name: Option<String> },
}

/// Why a name is not valid, to follow the word "name".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameMistake {
    #[error("is empty: send 1 to {MAX_NAME_LENGTH} characters")]
    Empty,
    #[error("is longer than {MAX_NAME_LENGTH} characters: shorten it")]
    TooLong,
    #[error("starts or ends with whitespace: remove it")]
    Padded,
    #[error("contains a control character: remove it")]
    ControlCharacter,
    #[error("contains a slash, which is not allowed in the path of a webhook: remove it")]
    Slash,
    #[error("is . or .., which is not allowed in the path of a webhook: choose another name")]
    Dots,
}

fn quoted(name: &Option<String>) -> String {
    name.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default()
}

impl NewWebhook {
    pub fn parse(body: &JsonObject, addresses: &AddressRules) -> Result<Self, WebhookMistake> {
        let change = WebhookChange::parse(body, addresses)?;
        Ok(Self {
            name: change.name.ok_or(WebhookMistake::Missing("name"))?,
            url: change.url.ok_or(WebhookMistake::Missing("url"))?,
            encode_as: change.encode_as.unwrap_or_default(),
            payload: change.payload.flatten(),
            custom_headers: change.custom_headers.flatten(),
            auth_method_id: change.auth_method_id.flatten(),
            event_kinds: change.event_kinds.flatten(),
        })
    }
}

impl WebhookChange {
    pub fn parse(body: &JsonObject, addresses: &AddressRules) -> Result<Self, WebhookMistake> {
        let nullable = |member| body.get(member).map(|value| (!value.is_null()).then_some(value));
        Ok(Self {
            name: body.get("name").map(name).transpose()?,
            url: body.get("url").map(|value| url(value, addresses)).transpose()?,
            encode_as: body.get("encode_as").map(encode_as).transpose()?,
            payload: nullable("payload").map(|value| value.map(payload).transpose()).transpose()?,
            custom_headers: nullable("custom_headers")
                .map(|value| value.map(headers).transpose())
                .transpose()?,
            auth_method_id: nullable("auth_method_id")
                .map(|value| value.map(auth_method).transpose())
                .transpose()?,
            event_kinds: nullable("events")
                .map(|value| value.map(events).transpose())
                .transpose()?,
            rotate_signing_secret: body
                .get("rotate_signing_secret")
                .map(rotate)
                .transpose()?
                .unwrap_or_default(),
        })
    }
}

/// Checks that the headers and the auth method of a webhook do not conflict. A change may set only
/// one of them, so each can come from the request or from the stored webhook.
pub fn check_together(
    custom_headers: Option<&Secret>,
    has_auth_method: bool,
) -> Result<(), WebhookMistake> {
    match custom_headers {
        Some(text) if has_auth_method => Headers::parse(text.expose())
            .and_then(|headers| headers.check_beside_auth_method())
            .map_err(WebhookMistake::CustomHeaders),
        _ => Ok(()),
    }
}

fn text<'a>(member: &'static str, value: &'a Value) -> Result<&'a str, WebhookMistake> {
    value.as_str().ok_or(WebhookMistake::Type(member, "a string"))
}

fn name(value: &Value) -> Result<String, WebhookMistake> {
    let name = text("name", value)?;
    check_name(name).map(|()| name.to_owned()).map_err(WebhookMistake::Name)
}

/// Checks a name, which is also a segment of URL paths.
fn check_name(name: &str) -> Result<(), NameMistake> {
    match name {
        _ if name.trim().is_empty() => Err(NameMistake::Empty),
        _ if name.chars().count() > MAX_NAME_LENGTH => Err(NameMistake::TooLong),
        _ if name.chars().any(char::is_control) => Err(NameMistake::ControlCharacter),
        _ if name.trim() != name => Err(NameMistake::Padded),
        _ if name.contains('/') => Err(NameMistake::Slash),
        "." | ".." => Err(NameMistake::Dots),
        _ => Ok(()),
    }
}

fn url(value: &Value, addresses: &AddressRules) -> Result<String, WebhookMistake> {
    receiver_url::parse_within(text("url", value)?, addresses).map_err(WebhookMistake::Url)
}

fn encode_as(value: &Value) -> Result<Encoding, WebhookMistake> {
    value
        .as_str()
        .and_then(Encoding::named)
        .ok_or(WebhookMistake::Type("encode_as", "json or form"))
}

fn payload(value: &Value) -> Result<String, WebhookMistake> {
    let text = text("payload", value)?;
    Payload::parse(text).map(|_| text.to_owned()).map_err(WebhookMistake::Payload)
}

fn headers(value: &Value) -> Result<Secret, WebhookMistake> {
    let text = text("custom_headers", value)?;
    Headers::parse(text)
        .map(|_| Secret::new(text.to_owned()))
        .map_err(WebhookMistake::CustomHeaders)
}

fn auth_method(value: &Value) -> Result<AuthMethodId, WebhookMistake> {
    let id =
        value.as_str().filter(|text| text.len() == 36).and_then(|text| Uuid::try_parse(text).ok());
    id.map(AuthMethodId)
        .ok_or(WebhookMistake::Type("auth_method_id", "the id of an auth method or null"))
}

/// Returns the events in the order in which they were sent, without duplicates.
fn events(value: &Value) -> Result<Vec<String>, WebhookMistake> {
    let items =
        value.as_array().ok_or(WebhookMistake::Type("events", "a list of strings or null"))?;
    match items.len() {
        0 => return Err(WebhookMistake::NoEvents),
        count if count > Event::KINDS.len() => return Err(WebhookMistake::TooManyEvents),
        _ => {}
    }
    let mut seen = BTreeSet::new();
    let mut kinds = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let kind = event(index, item)?;
        if seen.insert(kind) {
            kinds.push(kind.to_owned());
        }
    }
    Ok(kinds)
}

fn event(index: usize, item: &Value) -> Result<&str, WebhookMistake> {
    let name = item.as_str().ok_or(WebhookMistake::Type("events", "a list of strings or null"))?;
    if Event::KINDS.contains(&name) {
        return Ok(name);
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let is_safe = (1..=MAX_QUOTED_LENGTH).contains(&name.len()) && name.bytes().all(is_plain);
    Err(WebhookMistake::UnknownEvent { index, name: is_safe.then(|| name.to_owned()) })
}

fn rotate(value: &Value) -> Result<bool, WebhookMistake> {
    value.as_bool().ok_or(WebhookMistake::Type("rotate_signing_secret", "true or false"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> JsonObject {
        JsonObject::parse(value.to_string().as_bytes()).expect("an object")
    }

    fn new(value: Value) -> Result<NewWebhook, WebhookMistake> {
        NewWebhook::parse(&object(value), &AddressRules::default())
    }

    fn change(value: Value) -> Result<WebhookChange, WebhookMistake> {
        WebhookChange::parse(&object(value), &AddressRules::default())
    }

    #[test]
    fn only_name_and_url_are_required() {
        let minimal = new(
            json!({"name": "w", "url": "https://hooks.example", "unknown": 1, "signing_secret": "x"}),
        );

        let expected = NewWebhook {
            name: "w".to_owned(),
            url: "https://hooks.example".to_owned(),
            encode_as: Encoding::Json,
            payload: None,
            custom_headers: None,
            auth_method_id: None,
            event_kinds: None,
        };
        assert_eq!(minimal.as_ref(), Ok(&expected));
        let nulls = json!({"name": "w", "url": "https://hooks.example", "payload": null, "custom_headers": null,
            "auth_method_id": null, "events": null});
        assert_eq!(new(nulls), Ok(expected));
    }

    #[test]
    fn all_members_are_kept_as_they_were_sent() {
        let id = "0197a3b0-0000-7000-8000-000000000001";
        let all = new(json!({
            "name": "Gr\u{f6}\u{df}e & more?#%", "url": "https://hooks.example/$x", "encode_as": "form",
            "payload": " {\"id\": \"$ID\"} ", "custom_headers": "{ \"X-Key\": \"$KEY\" }", "auth_method_id": id,
            "events": ["grant.revoked", "grant.given", "grant.revoked"],
        }));

        let expected = NewWebhook {
            name: "Gr\u{f6}\u{df}e & more?#%".to_owned(),
            url: "https://hooks.example/$x".to_owned(),
            encode_as: Encoding::Form,
            payload: Some(" {\"id\": \"$ID\"} ".to_owned()),
            custom_headers: Some(Secret::new("{ \"X-Key\": \"$KEY\" }".to_owned())),
            auth_method_id: Some(AuthMethodId(Uuid::try_parse(id).expect("an id"))),
            event_kinds: Some(vec!["grant.revoked".to_owned(), "grant.given".to_owned()]),
        };
        assert_eq!(all, Ok(expected));
    }

    #[test]
    fn a_change_keeps_omitted_members_and_null_clears_optional_ones() {
        assert_eq!(change(json!({})), Ok(WebhookChange::default()));
        let cleared = WebhookChange {
            payload: Some(None),
            custom_headers: Some(None),
            auth_method_id: Some(None),
            event_kinds: Some(None),
            ..WebhookChange::default()
        };
        let nulls = json!({"payload": null, "custom_headers": null, "auth_method_id": null, "events": null});
        assert_eq!(change(nulls), Ok(cleared));
        let rotated = WebhookChange { rotate_signing_secret: true, ..WebhookChange::default() };
        assert_eq!(change(json!({"rotate_signing_secret": true})), Ok(rotated));
    }

    #[test]
    fn the_first_mistake_is_reported() {
        let long = "n".repeat(101);
        let url = "https://hooks.example";
        let events: Vec<&str> = [Event::KINDS[0]].repeat(27);
        let cases = [
            (json!({"url": url}), "name is missing"),
            (json!({"name": "w"}), "url is missing"),
            (json!({"name": null, "url": url}), "name must be a string"),
            (json!({"name": "", "url": url}), "name is empty: send 1 to 100 characters"),
            (json!({"name": " \t", "url": url}), "name is empty: send 1 to 100 characters"),
            (json!({"name": long, "url": url}), "name is longer than 100 characters: shorten it"),
            (json!({"name": " w", "url": url}), "name starts or ends with whitespace: remove it"),
            (json!({"name": "a\nb", "url": url}), "name contains a control character: remove it"),
            (json!({"name": "a\u{0}", "url": url}), "name contains a control character: remove it"),
            (
                json!({"name": "a/b", "url": url}),
                "name contains a slash, which is not allowed in the path of a webhook: remove it",
            ),
            (
                json!({"name": "..", "url": url}),
                "name is . or .., which is not allowed in the path of a webhook: choose another name",
            ),
            (json!({"name": "w", "url": 1}), "url must be a string"),
            (
                json!({"name": "w", "url": "http://hooks.example"}),
                "url does not use https: use https",
            ),
            (
                json!({"name": "w", "url": "https://10.0.0.1"}),
                "url leads to an address of a private network, which this server does not call: use a host on the public internet",
            ),
            (json!({"encode_as": "xml"}), "encode_as must be json or form"),
            (json!({"encode_as": null}), "encode_as must be json or form"),
            (json!({"payload": {}}), "payload must be a string"),
            (
                json!({"payload": "[]"}),
                "payload must contain one JSON object in which no member is repeated",
            ),
            (
                json!({"custom_headers": "{\"Host\": \"x\"}"}),
                "custom_headers has the header \"Host\", which this server sets itself: remove it",
            ),
            (
                json!({"auth_method_id": "x"}),
                "auth_method_id must be the id of an auth method or null",
            ),
            (
                json!({"auth_method_id": "0197a3b000007000800000000000000a"}),
                "auth_method_id must be the id of an auth method or null",
            ),
            (
                json!({"events": []}),
                "events is empty: name at least one event, or send null for all events",
            ),
            (json!({"events": "grant.given"}), "events must be a list of strings or null"),
            (json!({"events": [1]}), "events must be a list of strings or null"),
            (json!({"events": events}), "events has more than 26 items"),
            (json!({"rotate_signing_secret": 1}), "rotate_signing_secret must be true or false"),
        ];
        for (body, expected) in cases {
            assert_eq!(new(body.clone()).expect_err(expected).to_string(), expected, "{body}");
        }
    }

    #[test]
    fn an_unknown_event_is_reported_with_its_index_and_quoted_if_it_is_plain() {
        for (kind, quoted) in
            [("grant.gven", " \"grant.gven\""), ("a\"\r\nb", ""), (&"x".repeat(65), ""), ("", "")]
        {
            let error =
                change(json!({"events": ["grant.given", kind]})).expect_err("unknown").to_string();

            let kinds = Event::KINDS.join(", ");
            assert_eq!(error, format!("events[1]{quoted} is not an event: use one of {kinds}"));
        }
    }

    #[test]
    fn the_length_of_a_name_is_counted_in_characters() {
        let longest = "\u{1f600}".repeat(100);
        assert_eq!(change(json!({"name": longest})).map(|change| change.name), Ok(Some(longest)));
    }

    #[test]
    fn headers_and_an_auth_method_conflict_only_if_both_set_authorization() {
        let headers = |text: &str| Some(Secret::new(text.to_owned()));
        let (own, other) = (headers(r#"{"authorization": "a"}"#), headers(r#"{"X-A": "a"}"#));

        for (headers, has_auth_method, expected) in
            [(&own, true, false), (&own, false, true), (&other, true, true), (&None, true, true)]
        {
            assert_eq!(
                check_together(headers.as_ref(), has_auth_method).is_ok(),
                expected,
                "{has_auth_method}"
            );
        }
    }
}
