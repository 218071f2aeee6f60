//! This server as an operator runs it: the release binary on the temporary Postgres, without rate
//! limits because all requests come from one address, and without a log.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cluster::{self, Cluster};
use crate::exchange;
use crate::failure::Failure;
use crate::our_tokens;
use crate::process::{self, Ending, Process};
use crate::request::{self, Request};
use crate::token_server::TokenServer;

pub const DATABASE: &str = "grantor";
const STARTS: usize = 5;
/// The number of different clients in repeated registrations. All of them are known after the
/// warm-up.
const KNOWN_CLIENTS: u64 = 64;

pub const REGISTER_PATH: &str = "/api/v2/oauth2/register";
pub const SITES_PATH: &str = "/api/v2/oauth2/.well-known/sites";
/// An unknown path: it passes all of the middleware, uses no database, and always has the same
/// response.
pub const SAME_MIDDLEWARE: (&str, u16) = ("/.well-known/nothing-here", 404);

const LIMITS_OFF: [&str; 9] = [
    "GRANTOR_LIMITS__TOKEN_PER_MINUTE",
    "GRANTOR_LIMITS__REGISTER_PER_MINUTE",
    "GRANTOR_LIMITS__REGISTER_PER_SECOND_TOTAL",
    "GRANTOR_LIMITS__REQUESTS_PER_MINUTE",
    "GRANTOR_LIMITS__OPERATOR_PER_MINUTE",
    "GRANTOR_LIMITS__CONNECTIONS_PER_SOURCE",
    "GRANTOR_LIMITS__FAILED_KEYS_PER_MINUTE",
    "GRANTOR_LIMITS__WAITING_REQUESTS_PER_SOURCE",
    "GRANTOR_LIMITS__WAITING_REQUESTS_TOTAL",
];
/// More than any run registers, so that the cost of deleting the oldest clients is not measured.
const BOUNDS_FAR: [(&str, &str); 2] = [
    ("GRANTOR_REGISTRATION__MAX_UNUSED_CLIENTS", "1000000000"),
    ("GRANTOR_REGISTRATION__MAX_UNUSED_BYTES", "1000000000000"),
];

pub struct Subject {
    pub process: Process,
    pub address: SocketAddr,
    pub keys: Keys,
    pub restricted_client: String,
    /// The median time from the start of the process to its first response, on a migrated database.
    pub first_answer: Duration,
    /// The resident memory in megabytes, after few requests.
    pub idle_mb: f64,
    pub tokens: TokenServer,
    /// The length of the sites document, so that the bare server can send as much.
    pub sites_bytes: usize,
}

pub struct Keys {
    /// The organization's id.
    pub org: String,
    pub api: String,
    pub application: String,
}

impl Subject {
    /// Creates the database and starts the server on it.
    pub fn start(cluster: &Cluster, database: &'static str) -> Result<Self, Failure> {
        let settings = Settings::new(cluster, database)?;
        let keys = settings.prepare(cluster)?;
        let (process, first_answer) = settings.start_some_times()?;
        let restricted_client = restrict_a_client(settings.address, &keys)?;
        let client = register(settings.address, "Client with tokens")?;
        let tokens = our_tokens::token_server(
            settings.address,
            process.id(),
            settings.database_url,
            &keys.org,
            client,
        )?;
        let sites = exchange::call(settings.address, "GET", SITES_PATH, &[], "")?;
        let idle_mb = crate::usage::resident_mb(process.id())?;
        let (address, sites_bytes) = (settings.address, sites.body.len());
        Ok(Self {
            process,
            address,
            keys,
            restricted_client,
            first_answer,
            idle_mb,
            tokens,
            sites_bytes,
        })
    }

    pub fn restriction_path(&self) -> String {
        restriction_path(&self.restricted_client)
    }
}

impl Keys {
    pub fn headers(&self) -> [(&str, &str); 2] {
        [("dd-api-key", &self.api), ("dd-application-key", &self.application)]
    }
}

/// The command of the binary, without the environment of the benchmark.
pub struct Settings {
    pub address: SocketAddr,
    management: SocketAddr,
    database: &'static str,
    database_url: String,
    folder: PathBuf,
    more: Vec<(&'static str, &'static str)>,
}

impl Settings {
    pub fn new(cluster: &Cluster, database: &'static str) -> Result<Self, Failure> {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (address, management) = (local(cluster::free_port()?), local(cluster::free_port()?));
        let (database_url, folder) = (cluster.url(database), cluster.folder().to_owned());
        Ok(Self { address, management, database, database_url, folder, more: Vec::new() })
    }

    /// Adds a variable to its environment.
    pub fn with(mut self, variable: &'static str, value: &'static str) -> Self {
        self.more.push((variable, value));
        self
    }

    /// Creates the database, and in it an organization with its first operator.
    pub fn prepare(&self, cluster: &Cluster) -> Result<Keys, Failure> {
        cluster.sql("postgres", &format!("CREATE DATABASE {}", self.database))?;
        process::run(self.command().args(["migrate", "up"]), "grantor migrate up")?;
        self.bootstrap()
    }

    fn command(&self) -> Command {
        let mut command = process::bound_to_us(env!("CARGO_BIN_EXE_grantor"), &[], Ending::Kill);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(&self.folder);
        command.env("GRANTOR_DATABASE__URL", &self.database_url);
        command.env("GRANTOR_HTTP__LISTEN", self.address.to_string());
        command.env("GRANTOR_HTTP__MANAGEMENT_LISTEN", self.management.to_string());
        command
            .envs(LIMITS_OFF.map(|limit| (limit, "0")))
            .envs(BOUNDS_FAR)
            .envs(self.more.iter().copied());
        command
    }

    fn bootstrap(&self) -> Result<Keys, Failure> {
        let arguments =
            ["bootstrap", "--org", "Bench", "--email", "bench@example.com", "--output", "json"];
        let printed = process::run(self.command().args(arguments), "grantor bootstrap")?;
        let keys: Value = parse(&printed)?;
        let org = keys.get("org").map(|org| text(org, "id")).transpose()?.unwrap_or_default();
        Ok(Keys { org, api: text(&keys, "api_key")?, application: text(&keys, "application_key")? })
    }

    fn start_some_times(&self) -> Result<(Process, Duration), Failure> {
        let mut times = Vec::new();
        loop {
            let (process, took) = self.serve()?;
            times.push(took);
            if times.len() == STARTS {
                times.sort();
                return Ok((process, times[STARTS / 2]));
            }
        }
    }

    pub fn serve(&self) -> Result<(Process, Duration), Failure> {
        let began = Instant::now();
        let mut command = self.command();
        command.arg("serve").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = Process::start(command, "grantor serve", Ending::Kill)?;
        wait_for_answer(&mut process, self.address, SITES_PATH)?;
        Ok((process, began.elapsed()))
    }
}

/// Retries until the status is 200.
pub fn wait_for_answer(
    process: &mut Process,
    address: SocketAddr,
    path: &str,
) -> Result<(), Failure> {
    const SECONDS: u64 = 20;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(SECONDS) {
        process.must_run()?;
        if exchange::call(address, "GET", path, &[], "").is_ok_and(|answer| answer.status == 200) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Err(Failure::Silent { program: process.program(), seconds: SECONDS })
}

/// The size in megabytes of the table that refreshes write to, with its indexes.
pub fn families_mb(cluster: &Cluster) -> Result<f64, Failure> {
    let printed = cluster.sql(DATABASE, "SELECT pg_total_relation_size('families')")?;
    let bytes: f64 = printed
        .trim()
        .parse()
        .map_err(|_| Failure::Unexpected { what: "a table's size", came: printed })?;
    Ok(bytes / 1_048_576.0)
}

/// Registers a new client with each request.
pub fn register_new() -> Request {
    Request::register(REGISTER_PATH, "New client", u64::MAX)
}

/// Registers a few clients again and again.
pub fn register_known() -> Request {
    Request::register(REGISTER_PATH, "Known client", KNOWN_CLIENTS)
}

/// Registers a client and returns its id.
pub fn register(address: SocketAddr, name: &str) -> Result<String, Failure> {
    let registered = exchange::call(
        address,
        "POST",
        REGISTER_PATH,
        &[request::JSON],
        &request::registration(name),
    )?;
    text(&parse(&registered.expect_status(201, "registration")?.body)?, "client_id")
}

/// Registers a client, restricts its scopes, and returns its id.
fn restrict_a_client(address: SocketAddr, keys: &Keys) -> Result<String, Failure> {
    let client = register(address, "Restricted client")?;
    let lists = json!({"oidc_scopes": ["openid", "email"], "permission_scopes": ["dashboards_read", "metrics_read"]});
    let restriction =
        json!({"data": {"type": "upsert_scopes_restriction", "attributes": lists}}).to_string();
    let headers = [keys.headers().as_slice(), &[request::JSON]].concat();
    exchange::call(address, "POST", &restriction_path(&client), &headers, &restriction)?
        .expect_status(200, "the restriction")?;
    Ok(client)
}

pub fn restriction_path(client: &str) -> String {
    format!("/api/v2/oauth2/clients/{client}/scopes_restriction")
}

fn parse(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text)
        .map_err(|_| Failure::Unexpected { what: "JSON", came: text.to_owned() })
}

fn text(object: &Value, member: &'static str) -> Result<String, Failure> {
    let found = object.get(member).and_then(Value::as_str).map(str::to_owned);
    found.ok_or_else(|| Failure::Unexpected { what: member, came: object.to_string() })
}
