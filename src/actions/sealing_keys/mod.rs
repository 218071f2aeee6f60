//! The key ring, whose keys encrypt stored secrets.

pub mod announce;
pub mod forget;
pub mod prepare;
pub mod re_encrypt;
