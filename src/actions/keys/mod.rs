//! API keys and application keys, signing keys, and the key ring that seals secrets.

pub mod announce_expiring_keys;
pub mod create_key;
pub mod forget_ring_key;
pub mod prepare_key_ring;
pub mod reseal;
pub mod revoke_key;
pub mod revoke_signing_key;
pub mod rotate_signing_keys;
