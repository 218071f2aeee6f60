//! What OAuth clients call.

pub mod register;
pub mod well_known;
