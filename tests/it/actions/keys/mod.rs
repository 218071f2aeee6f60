//! Actions on keys.

mod revoke_signing_key;
