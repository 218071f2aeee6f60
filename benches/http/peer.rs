//! oidc-provider, which `benches/oidc-provider` sets up, in a Node.js process with its own database
//! in the same Postgres. `scripts/bench` installs it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cluster::{self, Cluster};
use crate::endpoint::Issuer;
use crate::exchange;
use crate::failure::Failure;
use crate::form;
use crate::process::{self, Ending, Process};
use crate::subject;
use crate::token_server::{self, Codes, DISCOVERY, Paths, Stock, TokenServer};

const DATABASE: &str = "peer";
const CLIENT_ID: &str = "client";
const API: (&str, &str) = ("api", "the-secret-of-an-api-that-introspects");

pub struct Peer {
    pub tokens: TokenServer,
    // Held for its `Drop`.
    _process: Process,
}

/// The folder where `scripts/bench` installed it, or `None` if Node.js is missing.
pub fn installed() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("oidc-provider");
    folder.join("node_modules/oidc-provider").is_dir().then_some(folder)
}

/// The installed script.
pub fn version() -> Result<String, Failure> {
    let manifest = installed().map(|folder| folder.join("node_modules/oidc-provider/package.json"));
    let manifest = std::fs::read_to_string(manifest.unwrap_or_default())?;
    let node = process::run(Command::new("node").arg("--version"), "node --version")?;
    let version = form::member(&manifest, "version").unwrap_or_default();
    Ok(format!("oidc-provider {version} on Node {}", node.trim()))
}

impl Peer {
    pub fn start(cluster: &Cluster, folder: &Path) -> Result<Self, Failure> {
        cluster.sql("postgres", &format!("CREATE DATABASE {DATABASE}"))?;
        let port = cluster::free_port()?;
        let mut command = process::bound_to_us("node", &[], Ending::Kill);
        command
            .arg("server.mjs")
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("NODE_ENV", "production");
        command.envs([
            ("PORT", port.to_string().as_str()),
            ("DATABASE_URL", &cluster.url(DATABASE)),
            ("CLIENT_ID", CLIENT_ID),
            ("REDIRECT_URI", token_server::REDIRECT_URI),
            ("CODE_CHALLENGE", token_server::CHALLENGE),
            ("SCOPE", token_server::SCOPE),
            ("API_ID", API.0),
            ("API_SECRET", API.1),
        ]);
        let mut process = Process::start(command, "oidc-provider", Ending::Kill)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        subject::wait_for_answer(&mut process, address, DISCOVERY)?;
        Ok(Self { tokens: token_server(address, process.id())?, _process: process })
    }
}

fn token_server(address: SocketAddr, process: u32) -> Result<TokenServer, Failure> {
    Ok(TokenServer {
        issuer: Issuer::Peer,
        address,
        process,
        paths: Paths::discover(address)?,
        client_id: CLIENT_ID.to_owned(),
        authorization: format!("Basic {}", STANDARD.encode(format!("{}:{}", API.0, API.1))),
        codes: Codes::Peers,
        stock: Stock::default(),
    })
}

/// Requests codes from the server, a thousand at a time.
pub fn codes(address: SocketAddr, count: usize) -> Result<Vec<String>, Failure> {
    #[derive(serde::Deserialize)]
    struct Minted {
        codes: Vec<String>,
    }
    let mut codes = Vec::with_capacity(count);
    while codes.len() < count {
        let path = format!("/mint?codes={}", (count - codes.len()).min(1_000));
        let body =
            exchange::call(address, "POST", &path, &[], "")?.expect_status(200, "codes")?.body;
        let minted: Minted = serde_json::from_str(&body)
            .map_err(|_| Failure::Unexpected { what: "codes", came: body })?;
        codes.extend(minted.codes);
    }
    Ok(codes)
}
