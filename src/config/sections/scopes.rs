//! `[scopes]`: the scopes that clients can request.

use std::path::PathBuf;

use serde::Deserialize;

use crate::config::setting::Setting;

/// Where the scope catalog comes from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum CatalogSource {
    Shipped,
    Minimal,
    File(PathBuf),
}

impl From<String> for CatalogSource {
    fn from(text: String) -> Self {
        match text.as_str() {
            "" => Self::Shipped,
            "minimal" => Self::Minimal,
            _ => Self::File(text.into()),
        }
    }
}

section! {
    "scopes",
    "The scopes that clients can request.";

    pub struct Scopes {
        /// The catalog itself is in `Loaded`.
        pub catalog: CatalogSource = Setting::new(
            "scopes.catalog",
            r#""""#,
            "\"\" for the shipped catalog, \"minimal\" for the neutral one, or the path of your own TOML file",
            "The list of scopes. \"\" selects the shipped list, config/scopes.toml, which has the \
             names of the compatible API. \"minimal\" has only the OpenID scopes, mcp_read, \
             mcp_write and the scopes of Grantor's own API. To define your own scopes, copy \
             config/scopes-minimal.toml, add them, and set the path of the copy.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_without_a_meaning_of_its_own_is_the_path_of_a_catalog() {
        for (text, source) in [
            ("", CatalogSource::Shipped),
            ("minimal", CatalogSource::Minimal),
            ("a/minimal", CatalogSource::File(PathBuf::from("a/minimal"))),
        ] {
            assert_eq!(CatalogSource::from(text.to_owned()), source);
        }
    }
}
