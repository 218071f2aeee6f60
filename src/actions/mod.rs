//! WHAT IS DONE: verbs. Each loads, decides by the rules of `oauth`, and stores, in one transaction, with its audit event
//! in the same one. No action knows how it was asked or how its outcome is told.

mod announce;
mod announce_expiring_keys;
mod approve_request;
mod audit;
mod audit_refused_sign_ins;
mod auth_method_secret;
mod bind_secrets;
mod bootstrap;
mod change_membership;
mod check_token;
mod conflict;
mod create_auth_method;
mod create_key;
mod create_org;
mod create_resource;
mod create_user;
mod create_variable;
mod create_webhook;
mod delete_auth_method;
mod delete_variable;
mod delete_webhook;
mod disable_user;
mod end_grants;
mod exchange_code;
mod fetch_access_token;
mod find_client;
mod find_resource;
mod find_variable;
mod find_webhook;
mod follow_database_clock;
mod forget_clients;
mod forget_expired;
mod forget_ring_key;
mod issue_tokens;
mod load_webhook;
mod offer_scopes;
mod prepare_key_ring;
mod refresh_tokens;
mod register_client;
mod remove_user;
mod rename_org;
mod replay_deliveries;
mod reseal;
mod restrict_scopes;
mod revoke_everything;
mod revoke_family;
mod revoke_key;
mod revoke_signing_key;
mod revoke_token;
mod rotate_signing_keys;
mod set_default_client_scopes;
mod set_password;
pub mod sign_in;
mod tell_of_hit;
mod test_auth_method;
mod token_error;
mod update_auth_method;
mod update_variable;
mod update_webhook;
mod verified_tokens;
mod webhook_secrets;

use uuid::Uuid;

use crate::clock::Clock;
use crate::db::Db;
use crate::passwords::Passwords;
use crate::secret::Random;

pub use announce_expiring_keys::announce_expiring_keys;
pub use approve_request::{Answer, Approval, ApproveError, Approved, Requested, approve_request};
pub use audit::{Actor, By};
pub use audit_refused_sign_ins::audit_refused_sign_ins;
pub use auth_method_secret::{open_client_secret, secret_place};
pub use bind_secrets::bind_unbound_secrets;
pub use bootstrap::{BootstrapError, Bootstrapped, bootstrap};
pub use change_membership::{MembershipError, Removed, RoleSet, remove_member, set_role};
pub use check_token::LiveToken;
use conflict::again_after_conflict;
pub use create_auth_method::{AuthMethodError, MOST_AUTH_METHODS, create_auth_method};
pub use create_key::{CreateKeyError, NewKeys, create_key};
pub use create_org::{CreateOrgError, create_org};
pub use create_resource::{CreateResourceError, NewResource, create_resource, delete_resource};
pub use create_user::{CreateUserError, NewUser, create_user};
pub use create_variable::create_variable;
pub use create_webhook::create_webhook;
pub use delete_auth_method::delete_auth_method;
pub use delete_variable::delete_variable;
pub use delete_webhook::delete_webhook;
pub use disable_user::{UserError, disable_user, enable_user};
pub use end_grants::{DisableClientError, EndGrantError, EndedAccess, disable_client, enable_client, end_grant};
pub use exchange_code::{Exchange, exchange_code};
pub use fetch_access_token::{AccessToken, TokenFetchError, fetch_access_token};
pub use find_client::{DocumentRules, Documents, FindClient, FindClientError};
pub use find_resource::ResourceServers;
pub use find_variable::{ShownVariable, VariableError, find_variable, list_variables};
pub use find_webhook::{ShownWebhook, WebhookError, find_webhook, list_webhooks};
pub use follow_database_clock::follow_database_clock;
pub use forget_clients::{Bounded, UnusedClients, bound_unused_clients, forget_clients};
pub use forget_expired::{Forgotten, forget_deliveries, forget_expired, forget_requests, is_a_turn};
pub use forget_ring_key::{ForgetRingKeyError, ForgottenWithKey, find_lost, forget_ring_key};
pub use issue_tokens::{Issued, Issuer, Lifetimes};
pub use load_webhook::{LoadWebhookError, LoadedWebhook, load_webhook};
pub use offer_scopes::{Asking, Offer, OfferError, offer_scopes};
pub use prepare_key_ring::{PrepareKeyRingError, prepare_key_ring};
pub use refresh_tokens::{Refreshing, refresh_tokens};
pub use register_client::{Dedup, RegisterError, Registered, Registrar};
pub use remove_user::remove_user;
pub use rename_org::rename_org;
pub use replay_deliveries::replay_deliveries;
pub use reseal::{Resealed, reseal};
pub use restrict_scopes::{
    Bounds, RestrictScopesError, Restricted, lift_restriction, preview_restriction, restrict_scopes,
};
pub use revoke_everything::{Kept, RevokeEverythingError, RevokedEverything, revoke_everything};
pub use revoke_family::{Why, revoke_family};
pub use revoke_key::{RevokeKeyError, revoke_key};
pub use revoke_signing_key::{RevokeSigningKeyError, RevokedSigningKey, revoke_signing_key};
pub use revoke_token::revoke_token;
pub use rotate_signing_keys::{
    SigningRules, TakeOver, forget_signing_keys, prepare_signing_keys, rotate_aged_signing_keys, rotate_signing_keys,
};
pub use set_default_client_scopes::{
    NewDefaults, SetDefaultsError, preview_default_restriction, restrict_by_default, set_default_client_scopes,
};
pub use set_password::{Keeping, NewPassword, set_password};
pub use tell_of_hit::tell_of_hit;
pub use test_auth_method::{AuthMethodTest, test_auth_method};
pub use token_error::TokenError;
pub use update_auth_method::update_auth_method;
pub use update_variable::update_variable;
pub use update_webhook::update_webhook;
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
