//! Actions on the keys that sign tokens.

mod revoke;
