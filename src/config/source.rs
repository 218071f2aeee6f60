//! The source of a value: a default, the file, a variable or a flag.

use std::fmt;
use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Default,
    File { path: PathBuf, key: String },
    Environment(String),
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File { path, key } => write!(formatter, "{key} in the file {}", path.display()),
            Self::Environment(name) => write!(formatter, "environment variable {name}"),
            Self::Flag(name) => write!(formatter, "flag {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_names_the_place_to_look_at() {
        let file = Source::File { path: "/etc/grantor.toml".into(), key: "http.listen".to_owned() };
        let cases = [
            (Source::Default, "default"),
            (file, "http.listen in the file /etc/grantor.toml"),
            (
                Source::Environment("GRANTOR_HTTP__LISTEN".to_owned()),
                "environment variable GRANTOR_HTTP__LISTEN",
            ),
            (Source::Flag("--set http.listen".to_owned()), "flag --set http.listen"),
        ];
        for (source, expected) in cases {
            assert_eq!(source.to_string(), expected);
        }
    }
}
