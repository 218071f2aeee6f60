//! Revoking grants: one, all grants of a client, or all access after a restored backup.

pub mod end;
pub mod revoke_everything;
