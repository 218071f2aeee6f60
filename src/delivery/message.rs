//! Builds the request to a receiver: the body, from the payload template of the webhook or the
//! event itself, and the headers.

use std::borrow::Cow;

use form_urlencoded::Serializer;
use serde_json::{Map, Value, json};

use crate::actions::webhooks::load_webhook::LoadedWebhook;
use crate::db::webhooks::deliveries::WaitingDelivery;
use crate::delivery::signature::signatures;
use crate::rules::timestamp::Timestamp;
use crate::rules::webhook::Encoding;
use crate::rules::webhook::template::{
    MAX_RENDERED_LENGTH, TooLong, Values, check_header_value, json_within,
};

/// The limit of an encoded form, which may be three times as long as its content.
const MAX_FORM_LENGTH: usize = 3 * MAX_RENDERED_LENGTH;

/// A body and its headers, without the access token.
#[derive(Debug)]
pub struct Message {
    pub body: String,
    pub headers: Vec<(String, String)>,
}

/// A message for operators.
type Failure = String;

impl Message {
    /// The id and the body are the same in every attempt. The time and the signature are new.
    pub fn of(
        loaded: &LoadedWebhook,
        waiting: &WaitingDelivery,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let data: Value = serde_json::from_str(&waiting.data)
            .map_err(|error| format!("the event is not JSON: {error}"))?;
        let event = json!({"type": waiting.kind, "timestamp": waiting.occurred_at.to_rfc3339(), "data": data});
        let built_in = built_in(loaded, waiting, &event);
        let values = [&built_in, &loaded.variables];
        let too_long = |what| move |error: TooLong| format!("the {what} would be {error}");
        let payload = match &loaded.payload {
            None => event,
            Some(payload) => payload.render(&values).map_err(too_long("body"))?,
        };
        let (body, content_type) = match loaded.webhook.encode_as {
            Encoding::Json => (json_within(&payload, MAX_RENDERED_LENGTH), "application/json"),
            Encoding::Form => (as_form(&payload), "application/x-www-form-urlencoded"),
        };
        let body = body.map_err(too_long("body"))?;
        let mut headers = match &loaded.headers {
            None => Vec::new(),
            Some(headers) => headers.render(&values).map_err(too_long("headers"))?,
        };
        for (name, value) in &headers {
            check_header_value(value).map_err(|mistake| format!("the header {name}: {mistake}"))?;
        }
        let id = waiting.event_id.to_string();
        let signature = signatures(&loaded.signing_secrets, &id, now, &body)
            .map_err(|error| error.to_string())?;
        headers.extend([
            ("content-type".to_owned(), content_type.to_owned()),
            ("webhook-id".to_owned(), id),
            ("webhook-timestamp".to_owned(), now.seconds().to_string()),
            ("webhook-signature".to_owned(), signature),
        ]);
        Ok(Self { body, headers })
    }
}

/// The built-in variables that payloads and headers can use besides those of the organization.
fn built_in(loaded: &LoadedWebhook, waiting: &WaitingDelivery, event: &Value) -> Values {
    let client_id = event["data"]["client"]["id"].clone();
    let built_in = [
        ("ID", json!(waiting.event_id)),
        ("EVENT_TYPE", json!(waiting.kind)),
        ("EVENT_TITLE", event["data"]["title"].clone()),
        ("DATE", json!(waiting.occurred_at.to_rfc3339())),
        ("ORG_ID", json!(loaded.webhook.org_id)),
        ("ORG_NAME", json!(loaded.org_name)),
        ("CLIENT_ID", if client_id.is_null() { json!("") } else { client_id }),
        ("EVENT", event.clone()),
    ];
    built_in.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Encodes each member as a form field. Values other than strings are JSON.
fn as_form(payload: &Value) -> Result<String, TooLong> {
    let none = Map::new();
    let mut form = String::new();
    for (name, value) in payload.as_object().unwrap_or(&none) {
        let text = match value {
            Value::String(text) => Cow::Borrowed(text),
            other => Cow::Owned(json_within(other, MAX_RENDERED_LENGTH)?),
        };
        Serializer::for_suffix(&mut form, 0).append_pair(name, &text);
        if form.len() > MAX_FORM_LENGTH {
            return Err(TooLong(MAX_FORM_LENGTH));
        }
    }
    Ok(form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_form_is_limited_as_encoded() {
        let form = |members: Value| as_form(&members);
        // Each character is `%01` in a string, and `%5Cu0001` in JSON.
        let controls = |count| "\u{1}".repeat(count);

        assert_eq!(
            form(json!({"a": "x y", "b": [1, "&"]})).as_deref(),
            Ok("a=x+y&b=%5B1%2C%22%26%22%5D")
        );
        let fits = json!({"a": controls(MAX_RENDERED_LENGTH - 1)});
        assert_eq!(form(fits).map(|form| form.len()), Ok(MAX_FORM_LENGTH - 1));
        assert_eq!(
            form(json!({"a": controls(MAX_RENDERED_LENGTH)})),
            Err(TooLong(MAX_FORM_LENGTH))
        );
        let thrice =
            json!({"a": [controls(40_000)], "b": [controls(40_000)], "c": [controls(40_000)]});
        assert_eq!(form(thrice), Err(TooLong(MAX_FORM_LENGTH)));
        assert_eq!(form(json!({"a": [controls(50_000)]})), Err(TooLong(MAX_RENDERED_LENGTH)));
    }
}
