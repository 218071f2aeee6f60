//! `[scopes]`: the scopes that clients can request.

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
    "The scopes that clients can request.";

    pub struct Scopes {
        /// The catalog itself is in `Loaded`.
        #[serde(deserialize_with = "values::catalog")]
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
