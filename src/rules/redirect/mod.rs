//! Where browsers may be sent: redirect URIs.

pub mod trusted;
pub mod uri;
