//! This server as a token server: its client, users who authorized it, and a resource that
//! introspects.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use grantor::db::engine::connect::{Location, Target};
use grantor::rules::authorization::resource::Resource;
use grantor::rules::client::ClientId;
use grantor::rules::id::OrgId;
use grantor::rules::secret::Secret;

use crate::endpoint::Issuer;
use crate::failure::Failure;
use crate::mint::Mint;
use crate::token_server::{Codes, Paths, Stock, TokenServer};

/// The resource of all tokens.
pub const API: &str = "https://api.example.com";

pub fn token_server(
    address: SocketAddr,
    process: u32,
    database: String,
    org: &str,
    client: String,
) -> Result<TokenServer, Failure> {
    let target = Target {
        location: Location::Postgres { url: Secret::new(database), schema: None },
        max_connections: 1,
        acquire_timeout: Duration::from_secs(10),
        query_timeout: Duration::from_secs(10),
    };
    let bad = |what| move || Failure::Unexpected { what, came: "text that is none".to_owned() };
    let org_id = OrgId(org.parse().map_err(|_| bad("an organization's id")())?);
    let client_id = ClientId::parse(&client).map_err(|_| bad("a client's id")())?;
    let api = Resource::parse(API).map_err(|_| bad("the URI of an API")())?;
    let mint = Mint::open(&target, org_id, client_id, api)?;
    let (id, secret) = mint.insert_resource()?;
    Ok(TokenServer {
        issuer: Issuer::Ours,
        address,
        process,
        paths: Paths::discover(address)?,
        client_id: client,
        authorization: format!("Basic {}", STANDARD.encode(format!("{id}:{}", secret.expose()))),
        codes: Codes::Ours(Box::new(mint)),
        stock: Stock::default(),
    })
}
