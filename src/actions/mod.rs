//! WHAT IS DONE: verbs. Each loads, decides by the rules of `oauth`, and stores, in one transaction, with its audit event
//! in the same one. No action knows how it was asked or how its outcome is told.

mod audit;
mod bootstrap;
mod create_key;
mod create_org;
mod create_user;
mod disable_user;
mod forget_clients;
mod register_client;
mod restrict_scopes;
mod revoke_key;
mod set_default_client_scopes;
mod set_password;

use uuid::Uuid;

use crate::clock::Clock;
use crate::db::Db;
use crate::secret::Random;

pub use audit::{Actor, By};
pub use bootstrap::{BootstrapError, Bootstrapped, bootstrap};
pub use create_key::{CreateKeyError, NewKeys, create_key};
pub use create_org::{CreateOrgError, create_org};
pub use create_user::{CreateUserError, NewUser, create_user};
pub use disable_user::{UserError, disable_user};
pub use forget_clients::forget_clients;
pub use register_client::{Dedup, RegisterError, Registered, Registrar};
pub use restrict_scopes::{
    Bounds, RestrictScopesError, Restricted, lift_restriction, preview_restriction, restrict_scopes,
};
pub use revoke_key::{RevokeKeyError, revoke_key};
pub use set_default_client_scopes::{SetDefaultsError, set_default_client_scopes};
pub use set_password::set_password;

/// What every action works with. Time and chance are among it, so that a test decides them.
#[derive(Clone, Debug)]
pub struct Context {
    pub db: Db,
    pub clock: Clock,
    pub random: Random,
}

impl Context {
    fn new_id(&self) -> Uuid {
        self.random.uuid_v7(self.clock.unix_millis())
    }
}
