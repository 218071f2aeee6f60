//! `[keys]`: API keys and application keys.

use crate::config::setting::Setting;
use crate::config::values;
use crate::config::values::COUNT;

section! {
    "keys",
    "API keys and application keys that callers of the API create. The command line has no limits.";

    pub struct Keys {
        #[serde(deserialize_with = "values::at_least_one")]
        pub per_organization: u32 = Setting::new(
            "keys.per_organization",
            "200",
            COUNT,
            "How many API keys an organization may have. The keys that clients create for \
             themselves count too, but are never refused for this reason.",
        ),
        #[serde(deserialize_with = "values::at_least_one")]
        pub per_user: u32 = Setting::new(
            "keys.per_user",
            "100",
            COUNT,
            "How many application keys a user may have in an organization.",
        ),
    }
}
