//! The OAuth and OpenID Connect endpoints.

pub mod authenticate;
pub mod authorize;
pub mod discovery;
pub mod introspect;
pub mod jwks;
pub mod register;
pub mod revoke;
pub mod token;
pub mod userinfo;
pub mod well_known;
