//! What is done: verbs. Each action loads rows, decides by the rules, and stores the result with
//! its audit event, in one transaction. Actions do not know how they are called, or how their
//! outcome is reported.

pub mod audit;
pub mod authorize;
pub mod clients;
pub mod context;
pub mod grants;
pub mod keys;
pub mod orgs;
pub mod partners;
pub mod people;
pub mod resources;
pub mod sealing_keys;
pub mod sign_in;
pub mod signing_keys;
pub mod tokens;
pub mod transact;
pub mod upkeep;
pub mod users;
pub mod webhooks;
