//! Errors in settings. All are reported at once, so that an operator can fix them in one step.

use std::fmt;
use std::path::PathBuf;

use crate::config::source::Source;
use crate::rules::scope::catalog::CatalogMistake;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{setting}, from {from}: {wrong}; allowed: {allowed}")]
    Value { setting: &'static str, from: Source, wrong: String, allowed: &'static str },
    #[error("{from} is not a setting{}", suggestion(.nearest))]
    Unknown { from: Source, nearest: Option<String> },
    #[error("{from} was renamed; use {to}")]
    Renamed { from: Source, to: String },
    #[error("{setting}: {one} and {other} are both given; keep one of them")]
    Twice { setting: &'static str, one: Source, other: Source },
    #[error("{from}: the file {} cannot be read: {cause}", .path.display())]
    Unreadable { setting: Option<&'static str>, from: Source, path: PathBuf, cause: String },
    #[error("the file {} is not TOML: line {line}: {cause}", .path.display())]
    NotToml { path: PathBuf, line: usize, cause: String },
    #[error("environment variable {name} is not UTF-8")]
    NotUtf8 { name: String },
    #[error("the flag --set {written} is not valid; write --set section.key=value")]
    NotAssignment { written: String },
    #[error("the scope catalog {}: {mistake}", .path.display())]
    Catalog { path: PathBuf, mistake: CatalogMistake },
}

fn suggestion(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}

impl ConfigError {
    /// The setting whose value is invalid, if the error is about one.
    pub(super) const fn setting(&self) -> Option<&'static str> {
        match self {
            Self::Value { setting, .. } | Self::Twice { setting, .. } => Some(*setting),
            Self::Unreadable { setting, .. } => *setting,
            _ => None,
        }
    }
}

/// One or more errors, displayed one per line.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    pub(super) fn new(errors: impl IntoIterator<Item = ConfigError>) -> Self {
        Self(errors.into_iter().collect())
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the settings are not valid:")?;
        self.0.iter().try_for_each(|error| write!(formatter, "\n  - {error}"))
    }
}
