//! Which of the values given for a setting counts, and what type a value has that was given as text.
//!
//! The layers, from the weakest: defaults, file, environment, flags. What a later one says replaces what an earlier one
//! said as a whole, lists too.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use toml::Value;

use crate::config::error::ConfigError;
use crate::config::name::{CONFIG_VARIABLE, DATABASE_VARIABLE, Name, ORG_VARIABLE, PREFIX, Target};
use crate::config::sections::SECTIONS;
use crate::config::setting::Setting;
use crate::config::source::Source;
use crate::config::sources::Sources;

/// A value that somebody gave, not yet checked.
#[derive(Clone, Debug)]
pub struct Given {
    pub setting: &'static Setting,
    pub value: Value,
    pub source: Source,
}

pub type GivenSettings = BTreeMap<&'static str, Given>;

/// What is written in one place: TOML has types, the environment and flags have only text.
enum Written {
    Toml(Value),
    Text(String),
}

/// Reads all layers but the defaults, which only say what type a text is meant to have.
pub fn merge(sources: &Sources, defaults: &toml::Table, errors: &mut Vec<ConfigError>) -> GivenSettings {
    let mut layers = Layers { defaults, read_file: sources.read_file, given: BTreeMap::new(), errors };
    if let Some((path, text)) = &sources.file {
        layers.add_file(path, text);
    }
    layers.add_environment(&sources.environment);
    layers.add_flags(&sources.flags);
    layers.given
}

/// Kubernetes gives every container variables for every Service: for one named `grantor`, these.
fn is_of_kubernetes(name: &str) -> bool {
    name == "GRANTOR_PORT" || name.starts_with("GRANTOR_PORT_") || name.starts_with("GRANTOR_SERVICE_")
}

struct Layers<'a> {
    defaults: &'a toml::Table,
    read_file: fn(&Path) -> io::Result<String>,
    given: GivenSettings,
    errors: &'a mut Vec<ConfigError>,
}

impl Layers<'_> {
    fn add_file(&mut self, path: &Path, text: &str) {
        let tables: toml::Table = match text.parse() {
            Ok(tables) => tables,
            Err(error) => return self.errors.push(not_toml(path, text, &error)),
        };
        let mut layer = Vec::new();
        for (section, value) in tables {
            match value {
                Value::Table(settings) if !settings.is_empty() => {
                    layer.extend(settings.into_iter().map(|(key, value)| (format!("{section}.{key}"), value)));
                }
                Value::Table(_) if SECTIONS.iter().any(|known| known.name == section) => {}
                value => layer.push((section, value)),
            }
        }
        self.add_layer(layer.into_iter().map(|(name, value)| {
            let source = Source::File { path: path.to_owned(), key: name.clone() };
            (Name::Dotted(name), Written::Toml(value), source)
        }));
    }

    fn add_environment(&mut self, environment: &[(String, String)]) {
        let alias = environment.iter().filter(|(name, url)| name == DATABASE_VARIABLE && !url.is_empty());
        self.add_layer(alias.map(|(name, value)| {
            let setting = Name::Dotted("database.url".to_owned());
            (setting, Written::Text(value.clone()), Source::Environment(name.clone()))
        }));
        let is_for_commands = |name: &str| name == CONFIG_VARIABLE || name == ORG_VARIABLE;
        let is_ours = |name: &str| name.starts_with(PREFIX) && !is_for_commands(name) && !is_of_kubernetes(name);
        let ours = environment.iter().filter(|(name, _)| is_ours(name));
        self.add_layer(ours.map(|(name, value)| {
            (Name::Variable(name.clone()), Written::Text(value.clone()), Source::Environment(name.clone()))
        }));
    }

    fn add_flags(&mut self, flags: &[(String, String)]) {
        // Each flag is a layer: of two flags for one setting the later counts, as everywhere on a command line.
        for (name, value) in flags {
            let source = Source::Flag(format!("--set {name}"));
            self.add_layer([(Name::Dotted(name.clone()), Written::Text(value.clone()), source)]);
        }
    }

    fn add_layer(&mut self, layer: impl IntoIterator<Item = (Name, Written, Source)>) {
        let mut seen: BTreeMap<&'static str, Source> = BTreeMap::new();
        for (name, written, source) in layer {
            let Some(target) = name.find() else {
                self.errors.push(unknown(&name, source));
                continue;
            };
            let setting = target.setting();
            if let Some(one) = seen.insert(setting.name, source.clone()) {
                self.errors.push(ConfigError::Twice { setting: setting.name, one, other: source });
                continue;
            }
            let value = match target {
                Target::Value(_) => self.typed(setting, written, &source),
                Target::FileWithValue(_) => self.read_secret(setting, written, &source),
            };
            if let Some(value) = value {
                self.given.insert(setting.name, Given { setting, value, source });
            }
        }
    }

    fn read_secret(&mut self, setting: &'static Setting, written: Written, source: &Source) -> Option<Value> {
        let path = match written {
            Written::Text(path) | Written::Toml(Value::String(path)) => PathBuf::from(path),
            Written::Toml(_) => {
                self.wrong(setting, source, "is not the path of a file".to_owned());
                return None;
            }
        };
        match (self.read_file)(&path) {
            Ok(text) => Some(Value::String(without_newline(&text).to_owned())),
            Err(error) => {
                let (setting, from, cause) = (Some(setting.name), source.clone(), error.to_string());
                self.errors.push(ConfigError::Unreadable { setting, from, path, cause });
                None
            }
        }
    }

    fn typed(&mut self, setting: &'static Setting, written: Written, source: &Source) -> Option<Value> {
        let default = &self.defaults[setting.section()][setting.key()];
        let typed = match written {
            Written::Text(text) => typed_text(text, default),
            Written::Toml(value) if value.same_type(default) => Ok(value),
            // The value itself is not shown: it may be a secret, written without its quotation marks.
            Written::Toml(value) => Err(format!("is {}, not {}", kind_of(&value), kind_of(default))),
        };
        typed.map_err(|wrong| self.wrong(setting, source, wrong)).ok()
    }

    fn wrong(&mut self, setting: &'static Setting, source: &Source, wrong: String) {
        let (from, allowed) = (source.clone(), setting.allowed);
        self.errors.push(ConfigError::Value { setting: setting.name, from, wrong, allowed });
    }
}

fn unknown(name: &Name, from: Source) -> ConfigError {
    match name.renamed() {
        Some(to) => ConfigError::Renamed { from, to },
        None => ConfigError::Unknown { from, nearest: name.nearest() },
    }
}

/// Says where, but does not show the line as TOML's own message does: a secret may be in it.
fn not_toml(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = 1 + before.matches('\n').count();
    ConfigError::NotToml { path: path.to_owned(), line, cause: error.message().to_owned() }
}

fn typed_text(text: String, default: &Value) -> Result<Value, String> {
    match default {
        Value::Integer(_) => {
            text.trim().parse().map(Value::Integer).map_err(|_| format!("{text:?} is no whole number"))
        }
        Value::Boolean(_) => {
            text.trim().parse().map(Value::Boolean).map_err(|_| format!("{text:?} is neither true nor false"))
        }
        Value::Array(_) => typed_list(&text),
        _ => Ok(Value::String(text)),
    }
}

/// JSON where it looks like JSON, else items with commas between them.
fn typed_list(text: &str) -> Result<Value, String> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(|error| format!("is not a list in JSON: {error}"));
    }
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Ok(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()))
}

const fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text in quotation marks",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number with a fraction",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

/// Editors and `echo` end a file with a newline that is no part of the secret.
fn without_newline(text: &str) -> &str {
    let line = text.strip_suffix('\n').unwrap_or(text);
    line.strip_suffix('\r').unwrap_or(line)
}
