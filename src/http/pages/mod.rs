//! Handlers of the pages for people, one file per path: signing in and out, the steps of a pending
//! authorization request, and the account. The pages themselves are rendered in `views/`.

pub mod account;
pub mod connect;
pub mod consent;
pub mod disabled;
pub mod invitation;
pub mod login;
pub mod not_permitted;
pub mod organization;
pub mod password;
mod sign_in_attempt;
