//! `[partners]`: clients with a secret, which members of an organization create for it.

use crate::config::setting::Setting;
use crate::config::values;
use crate::config::values::COUNT;

section! {
    "partners",
    "Clients with a secret, which members of an organization create for it.";

    pub struct Partners {
        #[serde(deserialize_with = "values::at_least_one")]
        pub clients_per_organization: u32 = Setting::new(
            "partners.clients_per_organization",
            "100",
            COUNT,
            "How many clients with a secret an organization may have.",
        ),
        /// In seconds.
        #[serde(deserialize_with = "values::lifetime_or_zero")]
        pub secret_overlap_max: u64 = Setting::new(
            "partners.secret_overlap_max",
            "604800",
            "whole seconds up to 100 years; 0 means not at all",
            "How long the previous secret of a client may still work after a new one was created, \
             at most. 604800 is 7 days.",
        ),
    }
}
