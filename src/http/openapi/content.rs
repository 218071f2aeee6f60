//! Bodies of requests and responses.

use serde_json::{Value, json};

pub fn json_of(schema: &str) -> Value {
    json!({"application/json": {"schema": {"$ref": format!("#/components/schemas/{schema}")}}})
}

pub fn json_api_of(schema: &str) -> Value {
    json!({"application/vnd.api+json": {"schema": {"$ref": format!("#/components/schemas/{schema}")}}})
}

pub fn form_or_json_of(schema: &str) -> Value {
    let schema = json!({"schema": {"$ref": format!("#/components/schemas/{schema}")}});
    json!({"application/x-www-form-urlencoded": schema, "application/json": schema})
}
