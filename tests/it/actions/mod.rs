mod audit;
mod default_scopes;
mod ends;
mod find_client;
mod forget;
mod people;
mod remove;
mod setup;
