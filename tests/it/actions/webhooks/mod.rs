//! Actions on webhooks.

mod fetch_access_token;
