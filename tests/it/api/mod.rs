mod bearer_tokens;
mod credentials;
mod operator_limits;
mod org_authorized_clients;
mod scopes_restriction;
mod sites;
