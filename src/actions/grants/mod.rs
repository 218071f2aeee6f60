//! Revoking grants: one, all grants of a client, or all access after a restored backup.

pub mod narrow_or_revoke;
pub mod revoke_everything;
pub mod revoke_grant;
pub mod revoked_grants;
