//! Actions on organizations.

mod create;
mod default_client_scopes;
mod lock_order;
