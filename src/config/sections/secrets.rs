//! `[secrets]`: encryption of stored secrets that the server must be able to read again.

use crate::config::setting::Setting;
use crate::config::values;
use crate::sealing::KeyRing;

section! {
    "secrets",
    "Encryption of stored secrets that the server must be able to read again.";

    pub struct Secrets {
        /// In seconds; 0 means never.
        #[serde(deserialize_with = "values::day_or_zero")]
        pub key_max_age: u64 = Setting::new(
            "secrets.key_max_age",
            "31536000",
            "whole seconds from 86400 (one day) to 100 years; 0 means never",
            "Age at which the newest key of the ring counts as old. Webhooks receive an event 30 \
             days before. The key keeps working. 31536000 is one year.",
        ),
        /// `key_ring.rs` chooses a key if there is none.
        #[serde(deserialize_with = "values::key_ring_or_none")]
        pub key: Option<KeyRing> = Setting::secret(
            "secrets.key",
            r#""""#,
            "keys separated by commas or white space, each an id of letters and digits, a colon \
             and 32 bytes in base64, or a passphrase of at least 32 characters; or \"\" for none",
            "The key ring that encrypts these secrets, newest key first. The newest key encrypts, \
             and every key decrypts. `openssl rand -base64 32` prints a good key. Use the same \
             ring on every server, keep it apart from the backups of the database, and prefer a \
             file: key_file. To replace the key, put a new one in front, restart, and run `grantor \
             keys re-encrypt`. With several servers, first put it behind the old one on each of \
             them. If there is no key, a server on SQLite creates a key file next to the database; \
             on Postgres, a server starts only if public_url is http.",
        ),
    }
}
