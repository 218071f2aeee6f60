//! Authorization requests, consent and resources.

pub mod consent;
pub mod language;
pub mod pkce;
pub mod protected_resource;
pub mod refusal;
pub mod refused_request;
pub mod request;
pub mod resource;
pub mod waiting;
