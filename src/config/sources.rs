//! The inputs from which settings are read, collected before they are parsed.
//!
//! Only `Sources::from_process` uses the process and the disk, so that tests can provide any input.

use std::io;
use std::path::{Path, PathBuf};

use crate::config::error::{ConfigError, ConfigErrors};
use crate::config::name::{CONFIG_VARIABLE, DATABASE_VARIABLE, PREFIX};
use crate::config::source::Source;

#[derive(Clone, Debug)]
pub struct Sources {
    pub file: Option<(PathBuf, String)>,
    pub environment: Vec<(String, String)>,
    /// Pairs of `section.key` and value.
    pub flags: Vec<(String, String)>,
    pub read_file: fn(&Path) -> io::Result<String>,
}

impl Sources {
    /// Reads `--config` or `GRANTOR_CONFIG`, the environment, and each `--set section.key=value`.
    pub fn from_process(
        config_flag: Option<&Path>,
        set_flags: &[String],
    ) -> Result<Self, ConfigErrors> {
        let mut errors = Vec::new();
        let environment = environment(&mut errors);
        let named =
            environment.iter().find(|(name, path)| name == CONFIG_VARIABLE && !path.is_empty());
        let file = match (config_flag, named) {
            (Some(path), _) => {
                read_config(path.to_owned(), Source::Flag("--config".to_owned()), &mut errors)
            }
            (None, Some((name, path))) => {
                read_config(path.into(), Source::Environment(name.clone()), &mut errors)
            }
            (None, None) => None,
        };
        let flags =
            set_flags.iter().filter_map(|written| assignment(written, &mut errors)).collect();
        if !errors.is_empty() {
            return Err(ConfigErrors::new(errors));
        }
        Ok(Self { file, environment, flags, read_file })
    }
}

fn read_file(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path)
}

fn environment(errors: &mut Vec<ConfigError>) -> Vec<(String, String)> {
    let ours = |name: &String| name.starts_with(PREFIX) || name == DATABASE_VARIABLE;
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.into_string().ok().filter(ours) else { continue };
        match value.into_string() {
            Ok(value) => variables.push((name, value)),
            Err(_) => errors.push(ConfigError::NotUtf8 { name }),
        }
    }
    variables.sort();
    variables
}

fn read_config(
    path: PathBuf,
    from: Source,
    errors: &mut Vec<ConfigError>,
) -> Option<(PathBuf, String)> {
    match read_file(&path) {
        Ok(text) => Some((path, text)),
        Err(error) => {
            errors.push(ConfigError::Unreadable {
                setting: None,
                from,
                path,
                cause: error.to_string(),
            });
            None
        }
    }
}

fn assignment(written: &str, errors: &mut Vec<ConfigError>) -> Option<(String, String)> {
    match written.split_once('=') {
        Some((name, value)) => Some((name.trim().to_owned(), value.to_owned())),
        None => {
            errors.push(ConfigError::NotAssignment { written: written.to_owned() });
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_flags_are_read_and_every_error_is_reported() {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/config/production.toml"));
        let flags = ["http.listen=[::1]:80".to_owned(), "log.level=info,grantor=debug".to_owned()];
        let sources = Sources::from_process(Some(path), &flags).expect("sources");

        assert_eq!(
            sources.file.map(|(read, text)| (read, text.is_empty())),
            Some((path.to_owned(), false))
        );
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            sources.flags,
            [pair("http.listen", "[::1]:80"), pair("log.level", "info,grantor=debug")]
        );

        let refused = Sources::from_process(
            Some(Path::new("/nowhere/grantor.toml")),
            &["http.listen".to_owned()],
        );
        let text = refused.expect_err("no file").to_string();
        assert!(
            text.contains("flag --config: the file /nowhere/grantor.toml cannot be read"),
            "{text}"
        );
        assert!(text.contains("the flag --set http.listen is not valid"), "{text}");
    }
}
