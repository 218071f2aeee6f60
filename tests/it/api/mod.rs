mod credentials;
mod operator_limits;
mod scopes_restriction;
mod sites;
