//! The schemas of the OpenAPI document: the members of each object as a table.

use std::collections::BTreeSet;

use serde_json::Value;

use super::members;
use crate::docs::markdown::{anchor, code, escape, paragraph, sentence, table};

const SCHEMAS: &str = "#/components/schemas/";

/// Where the objects of a page are described.
pub struct Objects<'a> {
    pub document: &'a Value,
    /// Those in errors are described on the index.
    pub shared: &'a BTreeSet<&'a str>,
    /// The index as other pages link to it, or nothing on the index itself.
    pub index: &'static str,
}

impl Objects<'_> {
    /// A heading and a table of members.
    pub fn section(&self, name: &str) -> String {
        let schema = &self.document["components"]["schemas"][name];
        let mut section = format!("### {}\n\n", self.heading(name));
        if let Some(description) = schema["description"].as_str() {
            section += &format!("{}\n", paragraph(&escape(&sentence(description))));
        }
        if schema["type"] == "array" {
            return section + &format!("An {}.\n", self.kind(schema));
        }
        let mut rows = Vec::new();
        self.add_members(schema, "", &mut rows);
        section + &table(["member", "type", "required", "meaning"], rows)
    }

    pub fn link(&self, name: &str) -> String {
        let page = if self.shared.contains(name) { self.index } else { "" };
        format!("[{name}]({page}#{})", anchor(&self.heading(name)))
    }

    /// Errors and the objects in them may have one name.
    fn heading(&self, name: &str) -> String {
        if self.shared.contains(name) { format!("{name} object") } else { name.to_owned() }
    }

    /// The type of a value in words.
    pub fn kind(&self, schema: &Value) -> String {
        if let Some(name) = object_of(schema) {
            return self.link(name);
        }
        if let Some(value) = schema.get("const") {
            return code(&value.to_string());
        }
        if let Some(values) = schema["enum"].as_array() {
            return values
                .iter()
                .map(|value| code(&value.to_string()))
                .collect::<Vec<_>>()
                .join(", ");
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            return choices.iter().map(|choice| self.kind(choice)).collect::<Vec<_>>().join(" or ");
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            name => Vec::from_iter(name.as_str()),
        };
        types.into_iter().map(|name| self.named_type(name, schema)).collect::<Vec<_>>().join(" or ")
    }

    fn named_type(&self, name: &str, schema: &Value) -> String {
        match (name, schema.get("items"), schema["format"].as_str()) {
            ("array", Some(items), _) => format!("array of {}", self.kind(items)),
            ("string", _, Some(format)) => format!("string ({format})"),
            _ => name.to_owned(),
        }
    }

    fn add_members(&self, schema: &Value, prefix: &str, rows: &mut Vec<[String; 4]>) {
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        for (name, member) in members(&schema["properties"]) {
            let is_required = required.iter().any(|required| required == name);
            self.add_member(&format!("{prefix}{name}"), member, is_required, rows);
        }
    }

    /// A row for the member, unless it only holds others, and the rows of those.
    fn add_member(
        &self,
        path: &str,
        schema: &Value,
        is_required: bool,
        rows: &mut Vec<[String; 4]>,
    ) {
        let items = &schema["items"];
        let holds_others = schema["properties"].is_object() || items["properties"].is_object();
        let is_plain =
            is_required && schema["type"].is_string() && schema.get("description").is_none();
        if !(holds_others && is_plain) {
            let required = if is_required { "yes" } else { "no" };
            rows.push([
                code(path),
                escape(&self.kind(schema)),
                required.to_owned(),
                meaning(schema),
            ]);
        }
        self.add_members(schema, &format!("{path}."), rows);
        self.add_members(items, &format!("{path}[]."), rows);
    }
}

/// The names of all objects that are found in a part of the document, and in these objects.
pub fn reachable<'a>(document: &'a Value, part: &'a Value) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![part];
    while let Some(value) = waiting.pop() {
        if let Some(name) = object_of(value).filter(|name| found.insert(*name)) {
            waiting.push(&document["components"]["schemas"][name]);
        }
        match value {
            Value::Object(members) => waiting.extend(members.values()),
            Value::Array(items) => waiting.extend(items),
            _ => {}
        }
    }
    found
}

/// The name of the object that a value refers to.
fn object_of(value: &Value) -> Option<&str> {
    value.get("$ref")?.as_str()?.strip_prefix(SCHEMAS)
}

/// The description and the limits of a value.
pub fn meaning(schema: &Value) -> String {
    let description =
        schema["description"].as_str().map(|text| text.trim_end_matches('.').to_owned());
    let limits = [
        between(schema, "minLength", "maxLength", " characters"),
        between(schema, "minItems", "maxItems", " items"),
        between(schema, "minimum", "maximum", ""),
        schema["pattern"].as_str().map(|pattern| format!("Matches `{pattern}`")),
        schema.get("default").map(|value| format!("Default: `{value}`")),
    ];
    let sentences: Vec<String> = [description].into_iter().chain(limits).flatten().collect();
    escape(&sentences.join(". "))
}

fn between(schema: &Value, least: &str, most: &str, unit: &str) -> Option<String> {
    match (schema.get(least), schema.get(most)) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
        (Some(least), None) if *least == 1 => {
            Some(format!("At least 1{}", unit.trim_end_matches('s')))
        }
        (Some(least), None) => Some(format!("At least {least}{unit}")),
        (None, Some(most)) => Some(format!("At most {most}{unit}")),
        (None, None) => None,
    }
}
