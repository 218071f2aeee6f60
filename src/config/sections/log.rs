//! `[log]`: what the server logs.

use serde::Deserialize;

use crate::config::setting::Setting;

section! {
    "log",
    "What the server logs. Secrets and tokens are never logged, at any level.";

    pub struct Log {
        /// Directives such as `info,grantor=debug`.
        pub level: String = Setting::new(
            "log.level",
            r#""info""#,
            "error, warn, info, debug, trace or off, or a list such as \"info,grantor=debug\"",
            "Which messages are logged. Use a list to see details of single modules.",
        ),
        pub format: LogFormat = Setting::new(
            "log.format",
            r#""auto""#,
            "\"auto\", \"text\" or \"json\"",
            "Format of log lines: text for people, json for log collectors. auto selects text on a \
             terminal and json otherwise.",
        ),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    Text,
    Json,
}
