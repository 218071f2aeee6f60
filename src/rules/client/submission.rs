//! What an owner submits for review, and what a client needs before it can be submitted.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::client::private_client::{AttributeError, escaped};
use crate::client::version::Snapshot;
use crate::redirect::uri::{RedirectKind, RedirectUri};
use crate::scope::catalog::ScopeCatalog;

pub const MAX_NOTE: usize = 2000;
pub const MAX_REASON: usize = 500;

/// What the owner sends along with the client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submission {
    pub note: Option<String>,
    /// Why the client needs each private scope.
    pub scope_reasons: BTreeMap<String, String>,
    /// The revision that the owner saw. The submission fails if the client has another one.
    pub revision: Option<i64>,
}

/// The attributes of a client to submit.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    pub name: &'a str,
    pub description: Option<&'a str>,
    pub onboarding_url: Option<&'a str>,
    pub redirect_uris: &'a [RedirectUri],
    pub scopes: &'a crate::scope::ScopeSet,
}

impl Submission {
    pub fn parse(members: &[(String, Value)]) -> Result<Self, AttributeError> {
        let mut submission = Self::default();
        for (member, value) in members {
            match member.as_str() {
                "note" => submission.note = note(value)?,
                "scope_reasons" => submission.scope_reasons = scope_reasons(value)?,
                "revision" => {
                    let revision = value.as_i64().filter(|revision| *revision > 0);
                    submission.revision = Some(revision.ok_or_else(|| {
                        AttributeError::invalid("revision", "revision is not a positive number")
                    })?);
                }
                unknown => return Err(AttributeError::unknown(unknown)),
            }
        }
        Ok(submission)
    }

    /// The version to publish, or an error for each missing thing.
    pub fn snapshot(
        &self,
        draft: Draft<'_>,
        catalog: &ScopeCatalog,
    ) -> Result<Snapshot, Vec<String>> {
        let missing = self.missing(draft, catalog);
        match (draft.description, draft.onboarding_url) {
            (Some(description), Some(onboarding_url)) if missing.is_empty() => Ok(Snapshot {
                name: draft.name.to_owned(),
                description: description.to_owned(),
                onboarding_url: onboarding_url.to_owned(),
                redirect_uris: draft
                    .redirect_uris
                    .iter()
                    .map(|uri| uri.as_str().to_owned())
                    .collect(),
                scopes: draft.scopes.clone(),
            }),
            _ => Err(missing),
        }
    }

    /// Each is one sentence.
    pub fn missing(&self, draft: Draft<'_>, catalog: &ScopeCatalog) -> Vec<String> {
        let mut missing = Vec::new();
        if draft.description.is_none() {
            missing.push("description is missing: say what the client does".to_owned());
        }
        match draft.onboarding_url {
            None => missing.push(
                "onboarding_url is missing: it is where users begin to connect the client"
                    .to_owned(),
            ),
            Some(url) if is_on_this_machine(url) => {
                missing.push(format!("onboarding_url is on this machine: {url} must use https"));
            }
            Some(_) => {}
        }
        for (index, uri) in draft.redirect_uris.iter().enumerate() {
            if uri.kind() == RedirectKind::Loopback {
                missing.push(format!(
                    "redirect_uris[{index}] is on this machine: a published client uses https only"
                ));
            }
        }
        if draft.scopes.is_empty() {
            missing.push("scopes is empty: choose at least one".to_owned());
        }
        for scope in draft.scopes.names().filter(|name| is_private(name, catalog)) {
            if !self.scope_reasons.contains_key(scope) {
                missing.push(format!(
                    "scope_reasons.{scope} is missing: say why the client needs this scope"
                ));
            }
        }
        missing
    }
}

pub fn is_private(scope: &str, catalog: &ScopeCatalog) -> bool {
    catalog.find(scope).is_some_and(|scope| scope.private)
}

fn is_on_this_machine(url: &str) -> bool {
    RedirectUri::parse_any_spelling(url).is_ok_and(|uri| uri.kind() == RedirectKind::Loopback)
}

/// Reads a note of an owner or a reviewer. A blank one is none.
pub fn note(value: &Value) -> Result<Option<String>, AttributeError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => {
            checked_text(text, MAX_NOTE).map_err(|words| AttributeError::invalid("note", words))
        }
        _ => Err(AttributeError::invalid("note", "note is neither a string nor null")),
    }
}

fn scope_reasons(value: &Value) -> Result<BTreeMap<String, String>, AttributeError> {
    const MEMBER: &str = "scope_reasons";
    let object = value.as_object().ok_or_else(|| {
        AttributeError::invalid(MEMBER, "scope_reasons is not an object of strings")
    })?;
    let mut reasons = BTreeMap::new();
    for (scope, reason) in object {
        let error = |words: &str| {
            let path = format!("{MEMBER}/{}", escaped(scope));
            AttributeError::invalid(path, format!("the reason {words}"))
        };
        let text = reason.as_str().ok_or_else(|| error("is not a string"))?;
        let text = checked_text(text, MAX_REASON).map_err(|words| error(&words))?;
        let text = text.ok_or_else(|| error("is empty: use 1 to 500 characters"))?;
        reasons.insert(scope.clone(), text);
    }
    Ok(reasons)
}

fn checked_text(text: &str, max: usize) -> Result<Option<String>, String> {
    if text.chars().nth(max).is_some() {
        return Err(format!("is longer than {max} characters: shorten it"));
    }
    if text.chars().any(|char| char.is_control() && char != '\n') {
        return Err("contains a control character: remove it".to_owned());
    }
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scope::ScopeSet;
    use crate::scope::catalog::SHIPPED;

    fn parse(attributes: &Value) -> Result<Submission, AttributeError> {
        let members = attributes.as_object().expect("an object").clone();
        Submission::parse(&members.into_iter().collect::<Vec<_>>())
    }

    #[test]
    fn note_reasons_and_revision_are_read() {
        let submission = parse(&json!({
            "note": " First version \n",
            "scope_reasons": {"api_keys_write": "It sends metrics."},
            "revision": 3,
        }))
        .expect("a submission");
        assert_eq!(submission.note.as_deref(), Some("First version"));
        let reason = submission.scope_reasons.get("api_keys_write").map(String::as_str);
        assert_eq!((reason, submission.revision), (Some("It sends metrics."), Some(3)));
        assert_eq!(parse(&json!({})).expect("a submission"), Submission::default());
        assert_eq!(parse(&json!({"note": " "})).expect("a submission").note, None);
    }

    #[test]
    fn each_error_names_its_member() {
        let cases = [
            (json!({"note": 1}), "note", "note is neither a string nor null"),
            (
                json!({"note": "x".repeat(2001)}),
                "note",
                "is longer than 2000 characters: shorten it",
            ),
            (json!({"note": "a\u{7}"}), "note", "contains a control character: remove it"),
            (
                json!({"scope_reasons": []}),
                "scope_reasons",
                "scope_reasons is not an object of strings",
            ),
            (
                json!({"scope_reasons": {"a/b": 1}}),
                "scope_reasons/a~1b",
                "the reason is not a string",
            ),
            (
                json!({"scope_reasons": {"a": " "}}),
                "scope_reasons/a",
                "the reason is empty: use 1 to 500 characters",
            ),
            (
                json!({"scope_reasons": {"a": "x".repeat(501)}}),
                "scope_reasons/a",
                "the reason is longer than 500 characters: shorten it",
            ),
            (json!({"revision": 0}), "revision", "revision is not a positive number"),
            (json!({"revision": "1"}), "revision", "revision is not a positive number"),
            (json!({"no/te": "x"}), "no~1te", "there is no such attribute"),
        ];
        for (attributes, path, text) in cases {
            let error = parse(&attributes).expect_err(path);
            assert_eq!((error.path.as_str(), error.to_string().as_str()), (path, text));
        }
    }

    #[test]
    fn everything_that_is_missing_is_reported_at_once() {
        let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
        let uris = |list: &[&str]| -> Vec<RedirectUri> {
            list.iter().map(|uri| RedirectUri::parse(uri).expect("a URI")).collect()
        };
        let set = |names| ScopeSet::parse(names).expect("scopes");
        let mixed = uris(&["https://pager.example/cb", "http://localhost/cb"]);
        let (none, private) = (set(""), set("api_keys_write mcp_read"));
        let draft = Draft {
            name: "Pager",
            description: None,
            onboarding_url: None,
            redirect_uris: &mixed,
            scopes: &none,
        };
        let submission = Submission::default();
        assert_eq!(
            submission.snapshot(draft, &catalog),
            Err(vec![
                "description is missing: say what the client does".to_owned(),
                "onboarding_url is missing: it is where users begin to connect the client"
                    .to_owned(),
                "redirect_uris[1] is on this machine: a published client uses https only"
                    .to_owned(),
                "scopes is empty: choose at least one".to_owned(),
            ])
        );
        let https = uris(&["https://pager.example/cb"]);
        let whole = Draft {
            description: Some("Alerts"),
            onboarding_url: Some("http://127.0.0.1/start"),
            redirect_uris: &https,
            scopes: &private,
            ..draft
        };
        assert_eq!(
            submission.snapshot(whole, &catalog),
            Err(vec![
                "onboarding_url is on this machine: http://127.0.0.1/start must use https"
                    .to_owned(),
                "scope_reasons.api_keys_write is missing: say why the client needs this scope"
                    .to_owned(),
            ])
        );
        let mut reasoned = Submission::default();
        reasoned.scope_reasons.insert("api_keys_write".to_owned(), "It sends metrics.".to_owned());
        let whole = Draft { onboarding_url: Some("https://pager.example/start"), ..whole };
        let snapshot = reasoned.snapshot(whole, &catalog).expect("a snapshot");
        assert_eq!((snapshot.name.as_str(), snapshot.redirect_uris.len()), ("Pager", 1));
        assert_eq!(snapshot.scopes, private);
    }
}
