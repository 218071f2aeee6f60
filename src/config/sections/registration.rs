//! `[registration]`: clients that register themselves (RFC 7591).

use crate::config::setting::Setting;
use crate::config::values;
use crate::config::values::{COUNT, SWITCH};

section! {
    "registration",
    "Clients that register themselves (RFC 7591). Anyone can register a client, but it has no \
     access until a user agrees.";

    pub struct Registration {
        /// Auth methods and grant types that are replaced or dropped instead of refused
        /// (RFC 7591 section 3.2.1).
        #[serde(deserialize_with = "values::words")]
        pub tolerate: Vec<String> = Setting::new(
            "registration.tolerate",
            r#"["client_secret_basic", "client_secret_post", "urn:ietf:params:oauth:grant-type:device_code"]"#,
            "a list of auth methods and grant types",
            "Values that known clients send although they do not need them. An auth method listed \
             here is registered as \"none\". A grant type listed here is dropped if a supported \
             one is present too. The response shows what was registered. Everything else that is \
             not supported is refused; an empty list refuses these values too.",
        ),
        pub deduplicate: bool = Setting::new(
            "registration.deduplicate",
            "true",
            SWITCH,
            "Return the same client_id for the same metadata, every time and on every server. If \
             false, each registration creates a new client, and the table grows with every call.",
        ),
        /// In seconds; 0 means never.
        #[serde(deserialize_with = "values::lifetime_or_zero")]
        pub sleep_after: u64 = Setting::new(
            "registration.sleep_after",
            "7776000",
            "whole seconds up to 100 years; 0 means never",
            "Time without use after which a client counts as asleep. Only lists and metrics show \
             this. 7776000 is 90 days.",
        ),
        /// In seconds; 0 means never.
        #[serde(deserialize_with = "values::day_or_zero")]
        pub forget_after: u64 = Setting::new(
            "registration.forget_after",
            "86400",
            "whole seconds from 86400 (one day) to 100 years; 0 means never",
            "Time without use after which a client is deleted, if no user ever authorized it and \
             no organization ever restricted it. Registering the same metadata again returns the \
             same client_id. 86400 is one day.",
        ),
        /// Limits the clients that no user ever authorized and no organization ever restricted.
        #[serde(deserialize_with = "values::at_least_one")]
        pub max_unused_clients: u32 = Setting::new(
            "registration.max_unused_clients",
            "100000",
            COUNT,
            "How many clients are kept that no user ever authorized and no organization ever \
             restricted. Beyond this number, the least recently seen are deleted before \
             forget_after has passed, except those seen in the last ten minutes.",
        ),
        /// Limits the stored metadata of these clients.
        #[serde(deserialize_with = "values::at_least_one")]
        pub max_unused_bytes: u64 = Setting::new(
            "registration.max_unused_bytes",
            "268435456",
            "a whole number of bytes, at least 1",
            "Maximum size of the metadata of these clients together, in bytes. Beyond it, clients \
             are deleted in the same way. 268435456 is 256 MiB.",
        ),
        #[serde(deserialize_with = "values::at_least_one")]
        pub max_metadata_bytes: usize = Setting::new(
            "registration.max_metadata_bytes",
            "8192",
            "a whole number of bytes, at least 1",
            "Maximum size of the metadata of one client, in bytes, whether it registers or is \
             described by a document.",
        ),
        #[serde(deserialize_with = "values::at_least_one")]
        pub max_redirect_uris: usize = Setting::new(
            "registration.max_redirect_uris",
            "20",
            COUNT,
            "Maximum number of redirect URIs of one client.",
        ),
        /// The private-use schemes that are accepted (RFC 8252 section 7.1). An empty list allows
        /// all.
        #[serde(deserialize_with = "values::schemes")]
        pub private_schemes: Vec<String> = Setting::new(
            "registration.private_schemes",
            "[]",
            "a list of lowercase schemes, such as [\"cursor\", \"com.example.app\"]; an empty list \
             allows all",
            "Private-use schemes that redirect URIs of native apps may have (RFC 8252 section \
             7.1). Schemes that run code, read files or belong to the browser are always refused.",
        ),
        #[serde(deserialize_with = "values::at_least_one")]
        pub queue: usize = Setting::new(
            "registration.queue",
            "1024",
            COUNT,
            "How many registrations may wait to be stored. Further ones get a 503 response. Raise \
             it if short peaks cause such responses.",
        ),
    }
}
