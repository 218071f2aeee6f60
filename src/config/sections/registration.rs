//! Clients that register themselves (RFC 7591).

use crate::config::setting::Setting;
use crate::config::values;
use crate::config::values::{COUNT, SWITCH};

section! {
    "registration",
    "Clients that register themselves (RFC 7591): anybody may, and it gives them nothing until a user agrees.";

    pub struct Registration {
        /// Auth methods and grant types that are replaced or dropped instead of refused (RFC 7591 section 3.2.1).
        #[serde(deserialize_with = "values::words")]
        pub tolerate: Vec<String> = Setting::new(
            "registration.tolerate",
            r#"["client_secret_post", "urn:ietf:params:oauth:grant-type:device_code"]"#,
            "a list of auth methods and grant types",
            "What known clients send by habit and do not need: an auth method listed here is registered as \"none\", a \
             grant type listed here is left out beside a supported one, and the answer says so. Everything else that \
             is not supported is refused; an empty list refuses these too.",
        ),
        pub deduplicate: bool = Setting::new(
            "registration.deduplicate",
            "true",
            SWITCH,
            "Give the same metadata the same client_id, each time and on every server. With false each registration \
             makes a client of its own, and the table grows with every call.",
        ),
        /// Seconds; 0 is never.
        #[serde(deserialize_with = "values::lifetime_or_zero")]
        pub sleep_after: u64 = Setting::new(
            "registration.sleep_after",
            "7776000",
            "whole seconds up to 100 years; 0 is never",
            "After how long without use a client counts as asleep, which only lists and metrics show. 7776000 is 90 \
             days.",
        ),
        /// Seconds; 0 is never.
        #[serde(deserialize_with = "values::day_or_zero")]
        pub forget_after: u64 = Setting::new(
            "registration.forget_after",
            "86400",
            "whole seconds from 86400, a day, to 100 years; 0 is never",
            "After how long without use a client is deleted, if no user ever authorized it and no organization ever \
             restricted it. Registering the same metadata again brings back the same client_id. 86400 is a day.",
        ),
        /// Clients that no organization ever authorized or restricted.
        #[serde(deserialize_with = "values::at_least_one")]
        pub max_unused_clients: u32 = Setting::new(
            "registration.max_unused_clients",
            "100000",
            COUNT,
            "How many clients that no user ever authorized and no organization ever restricted are kept. Beyond it the \
             least recently seen ones are deleted before forget_after has passed, but none seen within the last ten \
             minutes.",
        ),
        /// The metadata of these clients, as stored.
        #[serde(deserialize_with = "values::at_least_one")]
        pub max_unused_bytes: u64 = Setting::new(
            "registration.max_unused_bytes",
            "268435456",
            "a whole number of bytes from 1 on",
            "How many bytes of metadata these clients may take together, likewise. 268435456 is 256 MiB.",
        ),
        #[serde(deserialize_with = "values::at_least_one")]
        pub max_metadata_bytes: usize = Setting::new(
            "registration.max_metadata_bytes",
            "8192",
            "a whole number of bytes from 1 on",
            "How many bytes of metadata one client may have, whether it registers or is described by a document.",
        ),
        #[serde(deserialize_with = "values::at_least_one")]
        pub max_redirect_uris: usize = Setting::new(
            "registration.max_redirect_uris",
            "20",
            COUNT,
            "How many redirect URIs one client may have.",
        ),
        /// The only private-use schemes that are accepted; none listed is every one (RFC 8252 section 7.1).
        #[serde(deserialize_with = "values::schemes")]
        pub private_schemes: Vec<String> = Setting::new(
            "registration.private_schemes",
            "[]",
            "a list of schemes in lower case, such as [\"cursor\", \"com.example.app\"]; an empty list is every one",
            "Which private-use schemes redirect URIs of native apps may have (RFC 8252 section 7.1). Schemes that run \
             code, read files or belong to the browser are refused in any case.",
        ),
        #[serde(deserialize_with = "values::at_least_one")]
        pub queue: usize = Setting::new(
            "registration.queue",
            "1024",
            COUNT,
            "How many registrations may wait for their turn to be stored; one more is answered with 503.",
        ),
    }
}
