//! WHAT IS DONE: verbs. Each action loads, decides by the rules, and stores with its audit event, in one transaction.
//! No action knows how it was called or how its outcome is reported.

pub mod audit;
pub mod authorize;
pub mod clients;
pub mod conflict;
pub mod context;
pub mod grants;
pub mod keys;
pub mod orgs;
pub mod resources;
pub mod sign_in;
pub mod tokens;
pub mod upkeep;
pub mod users;
pub mod webhooks;
