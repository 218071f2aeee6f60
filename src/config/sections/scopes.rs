//! What clients may ask for.

use std::path::PathBuf;

use crate::config::setting::Setting;
use crate::config::values;

/// Where the scope catalog comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogSource {
    Shipped,
    Minimal,
    File(PathBuf),
}

section! {
    "scopes",
    "What clients may ask for.";

    pub struct Scopes {
        /// `Loaded` holds the catalog that was read from it.
        #[serde(deserialize_with = "values::catalog")]
        pub catalog: CatalogSource = Setting::new(
            "scopes.catalog",
            r#""""#,
            "\"\" for the shipped catalog, \"minimal\" for the neutral one, or the path of your own TOML file",
            "The list of scopes. \"\" is the shipped one, config/scopes.toml, whose names are those of the compatible API. \
             \"minimal\" holds only the OpenID scopes, mcp_read, mcp_write and the scopes of Grantor's own API. For \
             scopes of your own, copy config/scopes-minimal.toml, add them, and give the path of the copy.",
        ),
    }
}
