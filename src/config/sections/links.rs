//! `[links]`: links that prove who a person is.

use crate::config::setting::Setting;
use crate::config::values;

section! {
    "links",
    "Links that are sent to people. Each one works once.";

    pub struct Links {
        /// In seconds.
        #[serde(deserialize_with = "values::lifetime")]
        pub invitation_ttl: u64 = Setting::new(
            "links.invitation_ttl",
            "604800",
            "whole seconds from 1 to 100 years",
            "How long a person can accept an invitation to an organization with a link. Another link \
             can be created at any time. 604800 is 7 days.",
        ),
    }
}

impl Links {
    /// In seconds, for arithmetic with timestamps.
    pub fn invitation_lifetime(&self) -> i64 {
        i64::try_from(self.invitation_ttl).unwrap_or(i64::MAX)
    }
}
