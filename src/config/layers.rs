//! Merges the layers of settings, and converts values that were given as text.
//!
//! Later layers override earlier ones: defaults, file, environment, flags. A list is replaced as a
//! whole.

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

/// A value from one of the layers, not yet validated.
#[derive(Clone, Debug)]
pub struct Given {
    pub setting: &'static Setting,
    pub value: Value,
    pub source: Source,
}

pub type GivenSettings = BTreeMap<&'static str, Given>;

/// A value as written: TOML values have types, the environment and flags have only text.
enum Written {
    Toml(Value),
    Text(String),
}

/// Reads all layers except the defaults, which are used only for the types of values.
pub fn merge(
    sources: &Sources,
    defaults: &toml::Table,
    errors: &mut Vec<ConfigError>,
) -> GivenSettings {
    let mut layers =
        Layers { defaults, read_file: sources.read_file, given: BTreeMap::new(), errors };
    if let Some((path, text)) = &sources.file {
        layers.add_file(path, text);
    }
    layers.add_environment(&sources.environment);
    layers.add_flags(&sources.flags);
    layers.given
}

/// Whether Kubernetes sets this variable in every container because a Service is named `grantor`.
fn is_set_by_kubernetes(name: &str) -> bool {
    name == "GRANTOR_PORT"
        || name.starts_with("GRANTOR_PORT_")
        || name.starts_with("GRANTOR_SERVICE_")
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
                    layer.extend(
                        settings
                            .into_iter()
                            .map(|(key, value)| (format!("{section}.{key}"), value)),
                    );
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
        let alias =
            environment.iter().filter(|(name, url)| name == DATABASE_VARIABLE && !url.is_empty());
        self.add_layer(alias.map(|(name, value)| {
            let setting = Name::Dotted("database.url".to_owned());
            (setting, Written::Text(value.clone()), Source::Environment(name.clone()))
        }));
        let is_for_commands = |name: &str| name == CONFIG_VARIABLE || name == ORG_VARIABLE;
        let is_ours = |name: &str| {
            name.starts_with(PREFIX) && !is_for_commands(name) && !is_set_by_kubernetes(name)
        };
        let ours = environment.iter().filter(|(name, _)| is_ours(name));
        self.add_layer(ours.map(|(name, value)| {
            (
                Name::Variable(name.clone()),
                Written::Text(value.clone()),
                Source::Environment(name.clone()),
            )
        }));
    }

    fn add_flags(&mut self, flags: &[(String, String)]) {
        // Each flag is a separate layer, so that the last of two flags for one setting counts.
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

    fn read_secret(
        &mut self,
        setting: &'static Setting,
        written: Written,
        source: &Source,
    ) -> Option<Value> {
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
                let (setting, from, cause) =
                    (Some(setting.name), source.clone(), error.to_string());
                self.errors.push(ConfigError::Unreadable { setting, from, path, cause });
                None
            }
        }
    }

    fn typed(
        &mut self,
        setting: &'static Setting,
        written: Written,
        source: &Source,
    ) -> Option<Value> {
        let default = &self.defaults[setting.section()][setting.key()];
        let typed = match written {
            Written::Text(text) => typed_text(text, default),
            Written::Toml(value) if value.same_type(default) => Ok(value),
            // The error does not show the value: it may be a secret written without quotation
            // marks.
            Written::Toml(value) => {
                Err(format!("is {}, not {}", kind_of(&value), kind_of(default)))
            }
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

/// Reports the line number, but not the line as TOML's own message does: it may contain a secret.
fn not_toml(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = 1 + before.matches('\n').count();
    ConfigError::NotToml { path: path.to_owned(), line, cause: error.message().to_owned() }
}

fn typed_text(text: String, default: &Value) -> Result<Value, String> {
    match default {
        Value::Integer(_) => text
            .trim()
            .parse()
            .map(Value::Integer)
            .map_err(|_| format!("{text:?} is not a whole number")),
        Value::Boolean(_) => text
            .trim()
            .parse()
            .map(Value::Boolean)
            .map_err(|_| format!("{text:?} is neither true nor false")),
        Value::Array(_) => typed_list(&text),
        _ => Ok(Value::String(text)),
    }
}

/// A list in JSON if the text starts with `[`, otherwise items separated by commas.
fn typed_list(text: &str) -> Result<Value, String> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text)
            .map_err(|error| format!("is not a list in JSON: {error}"));
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

/// Editors and `echo` end a file with a newline that is not part of the secret.
fn without_newline(text: &str) -> &str {
    let line = text.strip_suffix('\n').unwrap_or(text);
    line.strip_suffix('\r').unwrap_or(line)
}
