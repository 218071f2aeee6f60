//! What protects secrets that have to be stored in a form that can be read again.

use crate::config::setting::Setting;
use crate::config::values;
use crate::sealing::KeyRing;

section! {
    "secrets",
    "What protects secrets that have to be stored in a form that can be read again.";

    pub struct Secrets {
        /// After how long a key of the ring is too old, in seconds; 0 is never.
        #[serde(deserialize_with = "values::day_or_zero")]
        pub key_max_age: u64 = Setting::new(
            "secrets.key_max_age",
            "31536000",
            "whole seconds from 86400, a day, to 100 years; 0 is never",
            "After how long the key that seals is called old: 30 days before, webhooks are told that it expires. It \
             goes on working. 31536000 is a year.",
        ),
        /// None: `key_ring.rs` says what takes its place.
        #[serde(deserialize_with = "values::key_ring_or_none")]
        pub key: Option<KeyRing> = Setting::secret(
            "secrets.key",
            r#""""#,
            "keys with commas or white space between, each an id of letters and digits, a colon and 32 bytes in \
             base64, or a passphrase of at least 32 characters; or \"\" for none",
            "The key ring that seals them, the newest key first: it seals, and all of them open. What `openssl rand \
             -base64 32` prints is a good key. Give every server the same, and keep it apart from the backups of the \
             database; better in a file: key_file. To change it, put a new key in front, restart, and run `grantor \
             keys re-encrypt`. Without one, a server on SQLite makes a key file beside the database, and on Postgres \
             it only starts where public_url is http.",
        ),
    }
}
