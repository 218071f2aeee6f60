//! The settings in effect with their sources, as `config print` shows them. Secrets are hidden.

use std::fmt;

use serde_json::json;
use toml::Value;

use crate::config::layers::GivenSettings;
use crate::config::sections;
use crate::config::sections::Config;
use crate::config::setting::Setting;
use crate::config::source::Source;

/// The value and source of every setting, in the order of the reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Effective(Vec<EffectiveSetting>);

#[derive(Clone, Debug, PartialEq)]
pub struct EffectiveSetting {
    pub name: &'static str,
    /// The value to show; a secret is replaced by asterisks.
    pub value: Value,
    pub source: Source,
}

impl Effective {
    pub(super) fn new(config: &Config, defaults: &toml::Table, given: &GivenSettings) -> Self {
        let effective = |setting: &'static Setting| {
            let default = &defaults[setting.section()][setting.key()];
            let (value, source) = given
                .get(setting.name)
                .map_or((default, Source::Default), |given| (&given.value, given.source.clone()));
            EffectiveSetting {
                name: setting.name,
                value: displayed(setting, value, config),
                source,
            }
        };
        Self(sections::all_settings().map(effective).collect())
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &EffectiveSetting> {
        self.0.iter()
    }

    /// `{"http.listen": {"value": "127.0.0.1:8080", "source": "default"}, …}`
    pub fn to_json(&self) -> serde_json::Value {
        let entry = |setting: &EffectiveSetting| {
            (
                setting.name.to_owned(),
                json!({"value": setting.value, "source": setting.source.to_string()}),
            )
        };
        serde_json::Value::Object(self.0.iter().map(entry).collect())
    }
}

fn displayed(setting: &Setting, value: &Value, config: &Config) -> Value {
    match setting.name {
        "database.url" => Value::String(config.database.url.to_string()),
        "http.public_url" => Value::String(config.http.public_url.clone()),
        _ if setting.secret && value.as_str() != Some("") => Value::String("***".to_owned()),
        _ => value.clone(),
    }
}

/// TOML with the source of each setting in a comment: `http.listen = "127.0.0.1:8080" # default`.
impl fmt::Display for Effective {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|EffectiveSetting { name, value, source }| {
            writeln!(formatter, "{name} = {value} # {source}")
        })
    }
}
