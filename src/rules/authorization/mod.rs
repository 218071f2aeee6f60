//! Authorization requests, consent and resources.

mod accept_language;
pub mod consent;
pub mod language;
pub mod next_step;
pub mod other_site;
pub mod pkce;
pub mod protected_resource;
pub mod refusal;
pub mod refused_request;
pub mod request;
pub mod resource;
pub mod waiting;
