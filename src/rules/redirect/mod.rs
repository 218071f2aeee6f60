//! Redirect URIs: which ones clients may register, and which one a response may be sent to.

pub mod trusted;
pub mod uri;
