//! WHAT IS DONE: verbs. Each loads, decides by the rules of `oauth`, and stores, in one transaction, with its audit event
//! in the same one. No action knows how it was asked or how its outcome is told.

mod approve_request;
mod audit;
mod bootstrap;
mod check_token;
mod conflict;
mod create_key;
mod create_org;
mod create_resource;
mod create_user;
mod disable_user;
mod end_grants;
mod exchange_code;
mod find_client;
mod find_resource;
mod forget_clients;
mod forget_expired;
mod issue_tokens;
mod offer_scopes;
mod refresh_tokens;
mod register_client;
mod remove_user;
mod reseal_signing_keys;
mod restrict_scopes;
mod revoke_family;
mod revoke_key;
mod revoke_token;
mod rotate_signing_keys;
mod set_default_client_scopes;
mod set_password;
pub mod sign_in;
mod token_error;
mod verified_tokens;

use uuid::Uuid;

use crate::clock::Clock;
use crate::db::Db;
use crate::passwords::Passwords;
use crate::secret::Random;

pub use approve_request::{Answer, Approval, ApproveError, Approved, approve_request};
pub use audit::{Actor, By};
pub use bootstrap::{BootstrapError, Bootstrapped, bootstrap};
pub use check_token::LiveToken;
use conflict::again_after_conflict;
pub use create_key::{CreateKeyError, NewKeys, create_key};
pub use create_org::{CreateOrgError, create_org};
pub use create_resource::{CreateResourceError, NewResource, create_resource, delete_resource};
pub use create_user::{CreateUserError, NewUser, create_user};
pub use disable_user::{UserError, disable_user};
pub use end_grants::{DisableClientError, EndGrantError, disable_client, enable_client, end_grant};
pub use exchange_code::{Exchange, exchange_code};
pub use find_client::{DocumentRules, Documents, FindClient, FindClientError};
pub use find_resource::ResourceServers;
pub use forget_clients::forget_clients;
pub use forget_expired::{Forgotten, forget_expired};
pub use issue_tokens::{Issued, Issuer, Lifetimes};
pub use offer_scopes::{Asking, Offer, OfferError, offer_scopes};
pub use refresh_tokens::{Refreshing, refresh_tokens};
pub use register_client::{Dedup, RegisterError, Registered, Registrar};
pub use remove_user::remove_user;
pub use reseal_signing_keys::{Resealed, reseal_signing_keys};
pub use restrict_scopes::{
    Bounds, RestrictScopesError, Restricted, lift_restriction, preview_restriction, restrict_scopes,
};
pub use revoke_family::{Why, revoke_family};
pub use revoke_key::{RevokeKeyError, revoke_key};
pub use revoke_token::revoke_token;
pub use rotate_signing_keys::{
    SigningRules, TakeOver, forget_signing_keys, prepare_signing_keys, rotate_aged_signing_keys, rotate_signing_keys,
};
pub use set_default_client_scopes::{SetDefaultsError, set_default_client_scopes};
pub use set_password::set_password;
pub use token_error::TokenError;
pub use verified_tokens::VerifiedTokens;

/// What every action works with. Time and chance are among it, so that a test decides them.
#[derive(Clone, Debug)]
pub struct Context {
    pub db: Db,
    pub clock: Clock,
    pub random: Random,
    pub passwords: Passwords,
}

impl Context {
    fn new_id(&self) -> Uuid {
        self.random.uuid_v7(self.clock.unix_millis())
    }
}
