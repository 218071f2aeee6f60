//! What the server tells about itself.

use serde::Deserialize;

use crate::config::setting::Setting;

section! {
    "log",
    "What the server tells about itself. Secrets and tokens are in no log at any level.";

    pub struct Log {
        /// Directives such as `info,grantor=debug`.
        pub level: String = Setting::new(
            "log.level",
            r#""info""#,
            "error, warn, info, debug, trace or off, or a list such as \"info,grantor=debug\"",
            "How much is logged.",
        ),
        pub format: LogFormat = Setting::new(
            "log.format",
            r#""auto""#,
            "\"auto\", \"text\" or \"json\"",
            "The form of a line: text to read, json for a collector; auto is text on a terminal and json elsewhere.",
        ),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text where somebody watches, JSON elsewhere.
    Auto,
    Text,
    Json,
}
