//! Webhooks as operators write them: to which URL an organisation's events go, and in which form.

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

use crate::rules::id::AuthMethodId;
use crate::rules::syntax::address::AddressRules;
use crate::rules::syntax::json_object::JsonObject;
use crate::rules::webhook::event::Event;
use crate::rules::webhook::receiver_url::ReceiverUrlMistake;
use crate::rules::webhook::template::{Headers, Payload, TemplateMistake};
use crate::secret::Secret;

/// In one organisation.
pub const MOST: u64 = 100;
pub const LONGEST_NAME: usize = 100;
/// Longer names of events are not quoted in an error.
const LONGEST_QUOTED: usize = 64;
/// For how long a signing secret that was replaced signs beside the new one, in seconds.
pub const FORMER_SIGNS_FOR: i64 = 24 * 60 * 60;

/// How the body of a delivery is written.
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

/// What is about to be made. Names and texts as they were sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWebhook {
    pub name: String,
    pub url: String,
    pub encode_as: Encoding,
    pub payload: Option<String>,
    /// People put credentials there.
    pub custom_headers: Option<Secret>,
    pub auth_method_id: Option<AuthMethodId>,
    /// `None`: every kind.
    pub event_kinds: Option<Vec<String>>,
}

/// `None`: stays as it is. `Some(None)`: is cleared.
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

/// The first mistake, which is the one that is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookMistake {
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} is not {1}")]
    Type(&'static str, &'static str),
    #[error("name {0}")]
    Name(NameMistake),
    #[error("url {0}")]
    Url(ReceiverUrlMistake),
    #[error("payload {0}")]
    Payload(TemplateMistake),
    #[error("custom_headers {0}")]
    CustomHeaders(TemplateMistake),
    #[error("events names no kind of event: name one at least, or send null for every kind")]
    NoEvents,
    #[error("events has more than {} items", Event::KINDS.len())]
    TooManyEvents,
    #[error("events[{index}]{} is no kind of event: these are {}", quoted(.name), Event::KINDS.join(", "))]
    UnknownEvent { index: usize, name: Option<String> },
}

/// What is wrong with a name, to follow the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameMistake {
    #[error("is empty: write from 1 to {LONGEST_NAME} characters")]
    Empty,
    #[error("is longer than {LONGEST_NAME} characters: shorten it")]
    TooLong,
    #[error("begins or ends with white space: remove it")]
    Padded,
    #[error("holds a control character: remove it")]
    ControlCharacter,
    #[error("holds a slash, which the path of a webhook has no place for: remove it")]
    Slash,
    #[error("is . or .., which the path of a webhook has no place for: choose another one")]
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
            custom_headers: nullable("custom_headers").map(|value| value.map(headers).transpose()).transpose()?,
            auth_method_id: nullable("auth_method_id").map(|value| value.map(auth_method).transpose()).transpose()?,
            event_kinds: nullable("events").map(|value| value.map(events).transpose()).transpose()?,
            rotate_signing_secret: body.get("rotate_signing_secret").map(rotate).transpose()?.unwrap_or_default(),
        })
    }
}

/// Whether headers and auth method of one webhook go together, wherever each of them comes from.
pub fn check_together(custom_headers: Option<&Secret>, has_auth_method: bool) -> Result<(), WebhookMistake> {
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

/// It stands in paths, as one segment of them.
fn check_name(name: &str) -> Result<(), NameMistake> {
    match name {
        _ if name.trim().is_empty() => Err(NameMistake::Empty),
        _ if name.chars().count() > LONGEST_NAME => Err(NameMistake::TooLong),
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
    value.as_str().and_then(Encoding::named).ok_or(WebhookMistake::Type("encode_as", "json or form"))
}

fn payload(value: &Value) -> Result<String, WebhookMistake> {
    let text = text("payload", value)?;
    Payload::parse(text).map(|_| text.to_owned()).map_err(WebhookMistake::Payload)
}

fn headers(value: &Value) -> Result<Secret, WebhookMistake> {
    let text = text("custom_headers", value)?;
    Headers::parse(text).map(|_| Secret::new(text.to_owned())).map_err(WebhookMistake::CustomHeaders)
}

fn auth_method(value: &Value) -> Result<AuthMethodId, WebhookMistake> {
    let id = value.as_str().filter(|text| text.len() == 36).and_then(|text| Uuid::try_parse(text).ok());
    id.map(AuthMethodId).ok_or(WebhookMistake::Type("auth_method_id", "the id of an auth method or null"))
}

/// In the order in which they were sent, without repetitions.
fn events(value: &Value) -> Result<Vec<String>, WebhookMistake> {
    let items = value.as_array().ok_or(WebhookMistake::Type("events", "a list of strings or null"))?;
    match items.len() {
        0 => return Err(WebhookMistake::NoEvents),
        count if count > Event::KINDS.len() => return Err(WebhookMistake::TooManyEvents),
        _ => {}
    }
    let (mut known, mut kinds) = (BTreeSet::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        let kind = event(index, item)?;
        if known.insert(kind) {
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
    let is_shown = (1..=LONGEST_QUOTED).contains(&name.len()) && name.bytes().all(is_plain);
    Err(WebhookMistake::UnknownEvent { index, name: is_shown.then(|| name.to_owned()) })
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
    fn a_name_and_a_url_are_enough() {
        let least = new(json!({"name": "w", "url": "https://hooks.example", "unknown": 1, "signing_secret": "x"}));

        let expected = NewWebhook {
            name: "w".to_owned(),
            url: "https://hooks.example".to_owned(),
            encode_as: Encoding::Json,
            payload: None,
            custom_headers: None,
            auth_method_id: None,
            event_kinds: None,
        };
        assert_eq!(least.as_ref(), Ok(&expected));
        let nulls = json!({"name": "w", "url": "https://hooks.example", "payload": null, "custom_headers": null,
            "auth_method_id": null, "events": null});
        assert_eq!(new(nulls), Ok(expected));
    }

    #[test]
    fn everything_that_is_sent_is_kept_as_it_was_sent() {
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
    fn what_a_change_leaves_out_stays_and_null_clears_what_can_be_absent() {
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
    fn the_first_mistake_is_told() {
        let long = "n".repeat(101);
        let url = "https://hooks.example";
        let events: Vec<&str> = [Event::KINDS[0]].repeat(9);
        let cases = [
            (json!({"url": url}), "name is missing"),
            (json!({"name": "w"}), "url is missing"),
            (json!({"name": null, "url": url}), "name is not a string"),
            (json!({"name": "", "url": url}), "name is empty: write from 1 to 100 characters"),
            (json!({"name": " \t", "url": url}), "name is empty: write from 1 to 100 characters"),
            (json!({"name": long, "url": url}), "name is longer than 100 characters: shorten it"),
            (json!({"name": " w", "url": url}), "name begins or ends with white space: remove it"),
            (json!({"name": "a\nb", "url": url}), "name holds a control character: remove it"),
            (json!({"name": "a\u{0}", "url": url}), "name holds a control character: remove it"),
            (
                json!({"name": "a/b", "url": url}),
                "name holds a slash, which the path of a webhook has no place for: remove it",
            ),
            (
                json!({"name": "..", "url": url}),
                "name is . or .., which the path of a webhook has no place for: choose another one",
            ),
            (json!({"name": "w", "url": 1}), "url is not a string"),
            (json!({"name": "w", "url": "http://hooks.example"}), "url does not use https: use https"),
            (
                json!({"name": "w", "url": "https://10.0.0.1"}),
                "url leads to an address of a private network, which this server does not call: use a host on the public internet",
            ),
            (json!({"encode_as": "xml"}), "encode_as is not json or form"),
            (json!({"encode_as": null}), "encode_as is not json or form"),
            (json!({"payload": {}}), "payload is not a string"),
            (json!({"payload": "[]"}), "payload is not the text of one JSON object with each member at most once"),
            (
                json!({"custom_headers": "{\"Host\": \"x\"}"}),
                "custom_headers has the header \"Host\", which this server sets by itself: remove it",
            ),
            (json!({"auth_method_id": "x"}), "auth_method_id is not the id of an auth method or null"),
            (
                json!({"auth_method_id": "0197a3b000007000800000000000000a"}),
                "auth_method_id is not the id of an auth method or null",
            ),
            (json!({"events": []}), "events names no kind of event: name one at least, or send null for every kind"),
            (json!({"events": "grant.given"}), "events is not a list of strings or null"),
            (json!({"events": [1]}), "events is not a list of strings or null"),
            (json!({"events": events}), "events has more than 8 items"),
            (json!({"rotate_signing_secret": 1}), "rotate_signing_secret is not true or false"),
        ];
        for (body, expected) in cases {
            assert_eq!(new(body.clone()).expect_err(expected).to_string(), expected, "{body}");
        }
    }

    #[test]
    fn an_unknown_kind_of_event_is_named_by_its_place_and_quoted_where_it_is_plain() {
        for (kind, shown) in [("grant.gven", " \"grant.gven\""), ("a\"\r\nb", ""), (&"x".repeat(65), ""), ("", "")] {
            let told = change(json!({"events": ["grant.given", kind]})).expect_err("is refused").to_string();

            let kinds = Event::KINDS.join(", ");
            assert_eq!(told, format!("events[1]{shown} is no kind of event: these are {kinds}"));
        }
    }

    #[test]
    fn a_hundred_characters_are_counted_and_not_bytes() {
        let longest = "\u{1f600}".repeat(100);
        assert_eq!(change(json!({"name": longest})).map(|change| change.name), Ok(Some(longest)));
    }

    #[test]
    fn headers_and_an_auth_method_go_together_unless_both_authorize() {
        let headers = |text: &str| Some(Secret::new(text.to_owned()));
        let (own, other) = (headers(r#"{"authorization": "a"}"#), headers(r#"{"X-A": "a"}"#));

        for (headers, has_auth_method, fits) in
            [(&own, true, false), (&own, false, true), (&other, true, true), (&None, true, true)]
        {
            assert_eq!(check_together(headers.as_ref(), has_auth_method).is_ok(), fits, "{has_auth_method}");
        }
    }
}
