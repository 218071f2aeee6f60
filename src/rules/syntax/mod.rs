//! Grammars: JSON, parameters, URIs and network addresses.

pub mod address;
pub mod json_object;
pub mod json_text;
pub mod network;
pub mod parameters;
pub mod uri;
pub mod web_uri;
