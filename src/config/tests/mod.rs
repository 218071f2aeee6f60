//! Settings from end to end: the layers, the resulting settings, and the error texts.

mod errors;
mod layers;
mod secrets;
mod shipped;

use std::io;
use std::path::Path;

use super::*;

/// A key ring with one key, whose id is `2026`.
const KEY: &str = "2026:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

type Variables<'a> = &'a [(&'a str, &'a str)];

fn files(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some("/run/secrets/grantor_database_url") => {
            Ok("postgres://grantor:hunter2@db/grantor\n".to_owned())
        }
        Some("/run/secrets/grantor_key") => Ok(format!("{KEY}\r\n")),
        Some("/etc/scopes.toml") => {
            Ok("[permission]\nread_all = { description = \"See all\" }".to_owned())
        }
        Some("/etc/broken.toml") => {
            Ok("[permission]\nemail = { description = \"See\" }\nflat = 1".to_owned())
        }
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    }
}

fn pairs(given: Variables) -> Vec<(String, String)> {
    given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn nothing() -> Sources {
    Sources { file: None, environment: Vec::new(), flags: Vec::new(), read_file: files }
}

fn file(text: &str) -> Sources {
    Sources { file: Some(("/etc/grantor.toml".into(), text.to_owned())), ..nothing() }
}

fn environment(given: Variables) -> Sources {
    Sources { environment: pairs(given), ..nothing() }
}

fn load(sources: &Sources) -> Config {
    Config::load(sources).expect("settings that can be used").config
}

/// The text of each error.
fn refused(sources: &Sources) -> Vec<String> {
    Config::load(sources)
        .expect_err("settings that cannot be used")
        .iter()
        .map(ToString::to_string)
        .collect()
}
