//! What a receiver is sent: a body, by the webhook's payload or the event as it is, and the headers that go with it.

use std::borrow::Cow;

use form_urlencoded::Serializer;
use serde_json::{Map, Value, json};

use crate::actions::webhooks::load_webhook::LoadedWebhook;
use crate::db::webhooks::deliveries::Waiting;
use crate::delivery::signature::signatures;
use crate::rules::timestamp::Timestamp;
use crate::rules::webhook::Encoding;
use crate::rules::webhook::template::{LONGEST_RENDERED, TooLong, Values, check_header_value, json_within};

/// Of a form: what is sent in it may be thrice as long as what it says.
const LONGEST_FORM: usize = 3 * LONGEST_RENDERED;

/// A body and its headers, but for the access token.
#[derive(Debug)]
pub struct Message {
    pub body: String,
    pub headers: Vec<(String, String)>,
}

/// In words, since an operator reads it.
type Failure = String;

impl Message {
    /// The same id and body each time that it is tried; the time and the signature are those of the attempt.
    pub fn of(loaded: &LoadedWebhook, waiting: &Waiting, now: Timestamp) -> Result<Self, Failure> {
        let data: Value =
            serde_json::from_str(&waiting.data).map_err(|error| format!("the event is not JSON: {error}"))?;
        let event = json!({"type": waiting.kind, "timestamp": waiting.occurred_at.to_rfc3339(), "data": data});
        let built_in = built_in(loaded, waiting, &event);
        let values = [&built_in, &loaded.variables];
        let too_long = |what| move |error: TooLong| format!("the {what} would be {error}");
        let payload = match &loaded.payload {
            None => event,
            Some(payload) => payload.render(&values).map_err(too_long("body"))?,
        };
        let (body, content_type) = match loaded.webhook.encode_as {
            Encoding::Json => (json_within(&payload, LONGEST_RENDERED), "application/json"),
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
        let signature = signatures(&loaded.signing_secrets, &id, now, &body).map_err(|error| error.to_string())?;
        headers.extend([
            ("content-type".to_owned(), content_type.to_owned()),
            ("webhook-id".to_owned(), id),
            ("webhook-timestamp".to_owned(), now.seconds().to_string()),
            ("webhook-signature".to_owned(), signature),
        ]);
        Ok(Self { body, headers })
    }
}

/// What a payload or a header may name beside the organisation's own variables: what the event is about.
fn built_in(loaded: &LoadedWebhook, waiting: &Waiting, event: &Value) -> Values {
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

/// A field for each member; what is no text is told as JSON.
fn as_form(payload: &Value) -> Result<String, TooLong> {
    let none = Map::new();
    let mut form = String::new();
    for (name, value) in payload.as_object().unwrap_or(&none) {
        let text = match value {
            Value::String(text) => Cow::Borrowed(text),
            other => Cow::Owned(json_within(other, LONGEST_RENDERED)?),
        };
        Serializer::for_suffix(&mut form, 0).append_pair(name, &text);
        if form.len() > LONGEST_FORM {
            return Err(TooLong(LONGEST_FORM));
        }
    }
    Ok(form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_bounded_as_it_is_sent() {
        let form = |members: Value| as_form(&members);
        // Each is `%01` as text, and `%5Cu0001` as JSON.
        let controls = |count| "\u{1}".repeat(count);

        assert_eq!(form(json!({"a": "x y", "b": [1, "&"]})).as_deref(), Ok("a=x+y&b=%5B1%2C%22%26%22%5D"));
        let fits = json!({"a": controls(LONGEST_RENDERED - 1)});
        assert_eq!(form(fits).map(|form| form.len()), Ok(LONGEST_FORM - 1));
        assert_eq!(form(json!({"a": controls(LONGEST_RENDERED)})), Err(TooLong(LONGEST_FORM)));
        let thrice = json!({"a": [controls(40_000)], "b": [controls(40_000)], "c": [controls(40_000)]});
        assert_eq!(form(thrice), Err(TooLong(LONGEST_FORM)));
        assert_eq!(form(json!({"a": [controls(50_000)]})), Err(TooLong(LONGEST_RENDERED)));
    }
}
