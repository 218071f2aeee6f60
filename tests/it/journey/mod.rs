mod browser;
mod mcp_clients;
mod official_clients;
mod openid_client;
mod sample_servers;
mod script;
mod webhooks;
