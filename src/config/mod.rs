//! Settings: read in layers, validated once, with every error reported at once.
//!
//! `config/default.toml`, a file, the environment and flags are merged (`layers.rs`). Each value is
//! first validated alone, then all values together (`rules.rs`). The result is a `Config` that
//! needs no further checks, and the source of every setting.

mod database_url;
mod effective;
mod error;
mod layers;
mod name;
mod reference;
mod rules;
mod sections;
mod setting;
mod source;
mod sources;
mod values;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

pub use crate::config::database_url::{DatabaseUrl, DatabaseUrlError};
pub use crate::config::effective::{Effective, EffectiveSetting};
pub use crate::config::error::{ConfigError, ConfigErrors};
pub use crate::config::reference::{DEFAULT_TOML, EXAMPLE, reference};
pub use crate::config::sections::*;
pub use crate::config::source::Source;
pub use crate::config::sources::Sources;

use crate::config::layers::{Given, GivenSettings};
use crate::rules::scope::catalog;
use crate::rules::scope::catalog::ScopeCatalog;

/// Valid settings, and how to show them.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    pub config: Config,
    /// The catalog that `scopes.catalog` selects.
    pub catalog: Arc<ScopeCatalog>,
    pub effective: Effective,
}

impl Config {
    pub fn load(sources: &Sources) -> Result<Loaded, ConfigErrors> {
        let defaults = reference::defaults();
        let mut errors = Vec::new();
        let given = layers::merge(sources, &defaults, &mut errors);
        let given = without_invalid(given, &defaults, &mut errors);
        let mut config = merge_with_defaults(&defaults, &given);
        rules::check(&config, &given, &mut errors);
        let catalog = match read_catalog(&config, sources, &given) {
            Ok(catalog) => {
                rules::check_required(&config, &catalog, &given, &mut errors);
                catalog
            }
            Err(found) => return Err(ConfigErrors::new(errors.into_iter().chain(found))),
        };
        if !errors.is_empty() {
            return Err(ConfigErrors::new(errors));
        }
        if config.http.public_url.is_empty() {
            config.http.public_url = format!("http://{}", config.http.listen);
        }
        let effective = Effective::new(&config, &defaults, &given);
        Ok(Loaded { config, catalog: Arc::new(catalog), effective })
    }
}

/// Parses the defaults with one given value at a time, to find every invalid value and not only the
/// first.
fn without_invalid(
    given: GivenSettings,
    defaults: &toml::Table,
    errors: &mut Vec<ConfigError>,
) -> GivenSettings {
    let is_valid =
        |(_, given): &(&str, Given)| match table_with(defaults, [given]).try_into::<Config>() {
            Ok(_) => true,
            Err(error) => {
                let (setting, from) = (given.setting, given.source.clone());
                let wrong = error.message().to_owned();
                errors.push(ConfigError::Value {
                    setting: setting.name,
                    from,
                    wrong,
                    allowed: setting.allowed,
                });
                false
            }
        };
    given.into_iter().filter(is_valid).collect()
}

#[expect(clippy::expect_used, reason = "each value was validated, and a test parses the defaults")]
fn merge_with_defaults(defaults: &toml::Table, given: &GivenSettings) -> Config {
    table_with(defaults, given.values())
        .try_into()
        .expect("values that are valid alone are valid together")
}

fn table_with<'a>(
    defaults: &toml::Table,
    given: impl IntoIterator<Item = &'a Given>,
) -> toml::Table {
    let mut table = defaults.clone();
    for Given { setting, value, .. } in given {
        table[setting.section()][setting.key()] = value.clone();
    }
    table
}

fn read_catalog(
    config: &Config,
    sources: &Sources,
    given: &GivenSettings,
) -> Result<ScopeCatalog, Vec<ConfigError>> {
    let path = match &config.scopes.catalog {
        CatalogSource::Shipped => {
            return parse_catalog("config/scopes.toml".into(), catalog::SHIPPED);
        }
        CatalogSource::Minimal => {
            return parse_catalog("config/scopes-minimal.toml".into(), catalog::MINIMAL);
        }
        CatalogSource::File(path) => path,
    };
    match (sources.read_file)(path) {
        Ok(text) => parse_catalog(path.clone(), &text),
        Err(error) => {
            let setting = "scopes.catalog";
            let from = given.get(setting).map_or(Source::Default, |given| given.source.clone());
            let (path, cause) = (path.clone(), error.to_string());
            Err(vec![ConfigError::Unreadable { setting: Some(setting), from, path, cause }])
        }
    }
}

fn parse_catalog(path: PathBuf, text: &str) -> Result<ScopeCatalog, Vec<ConfigError>> {
    ScopeCatalog::from_toml(text).map_err(|error| {
        let located = |mistake| ConfigError::Catalog { path: path.clone(), mistake };
        error.mistakes().iter().cloned().map(located).collect()
    })
}
