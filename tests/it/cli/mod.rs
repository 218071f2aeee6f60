//! The command line of the program: output, exit codes, and the server. The tree mirrors `src/cli`;
//! `demo`, `doctor` and `selftest` are the commands of `src/diagnose`.

mod app;
mod audit;
mod bootstrap;
mod client;
mod database;
mod demo;
mod doctor;
mod grant;
mod help;
mod invite;
mod key;
mod keys;
mod org;
mod publishing;
mod resource;
mod restriction;
mod selftest;
mod server;
mod user;
mod webhook;

use serde_json::Value;

/// The value, if it is a UUID.
fn id(value: &Value) -> &str {
    let id = value.as_str().unwrap_or_else(|| panic!("{value} is not an id"));
    uuid::Uuid::parse_str(id).unwrap_or_else(|error| panic!("{id}: {error}"));
    id
}

/// The value if it is a text that is not empty.
fn text(value: &Value) -> &str {
    value
        .as_str()
        .filter(|text| text.len() >= 20)
        .unwrap_or_else(|| panic!("{value} is not a secret"))
}

fn members<'a>(list: &'a Value, name: &str) -> Vec<&'a str> {
    let items = list.as_array().unwrap_or_else(|| panic!("{list} is not a list"));
    items.iter().map(|item| item[name].as_str().expect("text")).collect()
}
