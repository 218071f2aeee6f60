//! The operations of the OpenAPI document, each as a section of a page.

use serde_json::Value;

use super::members;
use super::objects::{Objects, meaning};
use crate::docs::markdown::{anchor, code, escape, paragraph, sentence, table};

const RESPONSES: &str = "#/components/responses/";
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// One operation, or several that differ in their paths and methods only.
pub struct Operation<'a> {
    /// Methods and paths.
    pub endpoints: Vec<(String, &'a str)>,
    pub described: &'a Value,
    /// Those of the path, then those of the operation.
    parameters: Vec<&'a Value>,
}

impl<'a> Operation<'a> {
    pub fn all(document: &'a Value) -> Vec<Self> {
        let mut operations: Vec<Self> = Vec::new();
        for (path, item) in members(&document["paths"]) {
            for method in METHODS {
                let Some(described) = item.get(method) else { continue };
                let parameters = [&item["parameters"], &described["parameters"]];
                let parameters: Vec<&Value> =
                    parameters.into_iter().filter_map(Value::as_array).flatten().collect();
                let endpoint = (method.to_uppercase(), path);
                let same = |other: &&mut Self| {
                    other.parameters == parameters && are_alike(other.described, described)
                };
                match operations.iter_mut().find(same) {
                    Some(other) => other.endpoints.push(endpoint),
                    None => {
                        operations.push(Self { endpoints: vec![endpoint], described, parameters })
                    }
                }
            }
        }
        operations
    }

    pub fn summary(&self) -> &'a str {
        self.described["summary"].as_str().expect("a summary")
    }

    pub fn section(&self, objects: &Objects<'_>) -> String {
        let endpoints: Vec<String> =
            self.endpoints.iter().map(|(method, path)| format!("{method} {path}\n")).collect();
        let mut section =
            format!("## {}\n\n```text\n{}```\n\n", escape(self.summary()), endpoints.concat());
        if let Some(description) = self.described["description"].as_str() {
            section += &format!("{}\n", paragraph(&escape(&sentence(description))));
        }
        section += &format!("* Authentication: {}\n", authentication(&self.described["security"]));
        if let Some(request) = self.described.get("requestBody") {
            section += &format!("* Request body: {}\n", body(request, objects));
        }
        section += &self.responses(objects);
        if !self.parameters.is_empty() {
            let rows = self.parameters.iter().map(|parameter| parameter_row(parameter, objects));
            section +=
                &format!("\n{}", table(["parameter", "in", "type", "required", "meaning"], rows));
        }
        section
    }

    /// Its own responses, and behind them those that it shares with others.
    fn responses(&self, objects: &Objects<'_>) -> String {
        let mut own = String::new();
        let mut shared: Vec<(&str, Vec<&str>)> = Vec::new();
        for (status, response) in members(&self.described["responses"]) {
            let name =
                response["$ref"].as_str().and_then(|reference| reference.strip_prefix(RESPONSES));
            let Some(name) = name else {
                own += &own_response(status, response, objects);
                continue;
            };
            match shared.iter_mut().find(|(known, _)| *known == name) {
                Some((_, statuses)) => statuses.push(status),
                None => shared.push((name, vec![status])),
            }
        }
        let link = |(name, statuses): &(&str, Vec<&str>)| {
            format!("* {}: [{name}]({}#{})\n", statuses.join(", "), objects.index, anchor(name))
        };
        own + &shared.iter().map(link).collect::<String>()
    }
}

/// Whether two operations are the same but for their names.
fn are_alike(one: &Value, other: &Value) -> bool {
    let without_name = |operation: &Value| {
        let mut operation = operation.clone();
        operation["operationId"] = Value::Null;
        operation
    };
    without_name(one) == without_name(other)
}

fn own_response(status: &str, response: &Value, objects: &Objects<'_>) -> String {
    let description = response["description"].as_str().expect("a description");
    match response.get("content") {
        Some(_) => {
            format!("* {status}: {}. Body: {}\n", escape(description), body(response, objects))
        }
        None => format!("* {status}: {}\n", escape(description)),
    }
}

/// The types of a body, each with its media types.
pub fn body(described: &Value, objects: &Objects<'_>) -> String {
    let mut kinds: Vec<(String, Vec<String>)> = Vec::new();
    for (media_type, content) in members(&described["content"]) {
        let kind = objects.kind(&content["schema"]);
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, media_types)) => media_types.push(code(media_type)),
            None => kinds.push((kind, vec![code(media_type)])),
        }
    }
    let texts =
        kinds.iter().map(|(kind, media_types)| format!("{kind} as {}", media_types.join(" or ")));
    texts.collect::<Vec<_>>().join("; ")
}

/// The alternatives, each with all credentials that it takes.
fn authentication(alternatives: &Value) -> String {
    let alternatives = alternatives.as_array().map(Vec::as_slice).unwrap_or_default();
    if alternatives.is_empty() {
        return "none".to_owned();
    }
    let credentials = |alternative: &Value| {
        let all: Vec<String> =
            members(alternative).map(|(name, scopes)| with_scopes(name, scopes)).collect();
        if all.is_empty() { "none".to_owned() } else { all.join(" and ") }
    };
    alternatives.iter().map(credentials).collect::<Vec<_>>().join(", or ")
}

fn with_scopes(name: &str, scopes: &Value) -> String {
    let scopes: Vec<String> =
        scopes.as_array().into_iter().flatten().filter_map(Value::as_str).map(code).collect();
    let credential = credential(name);
    if scopes.is_empty() {
        credential.to_owned()
    } else {
        format!("{credential} with {}", scopes.join(" and "))
    }
}

/// The name of a security scheme in words.
pub fn credential(scheme: &str) -> &str {
    match scheme {
        "apiKeyAuth" => "API key",
        "appKeyAuth" => "application key",
        "bearerAuth" => "access token",
        "resourceAuth" => "secret of a resource",
        other => other,
    }
}

fn parameter_row(parameter: &Value, objects: &Objects<'_>) -> [String; 5] {
    let text = |member: &str| parameter[member].as_str().unwrap_or_default();
    let schema = &parameter["schema"];
    let notes: Vec<String> = [escape(text("description")), meaning(schema)]
        .into_iter()
        .filter(|note| !note.is_empty())
        .collect();
    let required = if parameter["required"] == true { "yes" } else { "no" };
    [
        code(text("name")),
        text("in").to_owned(),
        escape(&objects.kind(schema)),
        required.to_owned(),
        notes.join(". "),
    ]
}
