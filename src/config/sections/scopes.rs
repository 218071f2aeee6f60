//! What clients may ask for.

use std::path::PathBuf;

use crate::config::setting::Setting;
use crate::config::values;

section! {
    "scopes",
    "What clients may ask for.";

    pub struct Scopes {
        /// An operator's own catalog; none is the shipped one. `Loaded` holds what was read from it.
        #[serde(deserialize_with = "values::path_or_none")]
        pub catalog: Option<PathBuf> = Setting::new(
            "scopes.catalog",
            r#""""#,
            "the path of a TOML file like config/scopes.toml, or \"\" for the shipped one",
            "Your own list of scopes, instead of the shipped one.",
        ),
    }
}
