//! The limits for registrations and refreshes: `pgbench` inserts one client per transaction, or
//! replaces one refresh token by its successor in one statement.
//!
//! The key is a UUIDv7 (RFC 9562 section 5.7) composed of two numbers. Inserts in the order of time
//! are the best case for this server's keys, and older versions of Postgres have no function that
//! creates such keys.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::latencies::Latencies;
use crate::load::Tally;
use crate::process;

/// Also contains the client of the bare server.
pub const DATABASE: &str = "limits";

const TABLES: &str = "
    CREATE TABLE clients (
        id UUID PRIMARY KEY, name TEXT NOT NULL, redirect_uris JSONB NOT NULL, grant_types JSONB NOT NULL,
        scope TEXT NOT NULL, auth_method TEXT NOT NULL, secret_hash BYTEA NOT NULL, rest JSONB NOT NULL,
        created_at TIMESTAMPTZ NOT NULL);
    CREATE TABLE refresh_tokens (
        id UUID PRIMARY KEY, family UUID NOT NULL, digest BYTEA NOT NULL, scope TEXT NOT NULL, rest JSONB NOT NULL,
        created_at TIMESTAMPTZ NOT NULL, consumed_at TIMESTAMPTZ)";

/// A client inserts fewer than eight rows per millisecond, so its time is not ahead of the clock.
/// The rest of the counter goes behind the version, so that its keys stay ordered.
const INSERT: &str = r"
\set n :n + 1
\set high ((:started + :n / 8) << 16) + 28672 + (:n % 8) * 512 + :client_id
\set low random(-9223372036854775807, -4611686018427387905)
INSERT INTO clients VALUES (('0' || to_hex(:high::bigint) || to_hex(:low::bigint))::uuid,
    :name, :redirect_uris, :grant_types, :scope, :auth_method, :secret_hash, :rest, :created_at);
";

/// The first rotation of each client has no token to replace.
const ROTATE: &str = r"
\set old_high :high
\set old_low :low
\set n :n + 1
\set high ((:started + :n / 8) << 16) + 28672 + (:n % 8) * 512 + :client_id
\set low random(-9223372036854775807, -4611686018427387905)
WITH used AS (
    UPDATE refresh_tokens SET consumed_at = :created_at
     WHERE id = ('0' || to_hex(:old_high::bigint) || to_hex(:old_low::bigint))::uuid)
INSERT INTO refresh_tokens VALUES (('0' || to_hex(:high::bigint) || to_hex(:low::bigint))::uuid,
    :family, :secret_hash, :scope, :rest, :created_at);
";

const FAMILY: &str = "01900000-0000-7000-8000-000000000001";

const COLUMNS: [(&str, &str); 8] = [
    ("name", "Example client with a name of ordinary length"),
    (
        "redirect_uris",
        r#"["https://client.example.com/oauth/callback", "http://127.0.0.1:8000/oauth/callback"]"#,
    ),
    ("grant_types", r#"["authorization_code", "refresh_token"]"#),
    ("scope", "openid profile email offline_access"),
    ("auth_method", "none"),
    ("secret_hash", r"\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
    (
        "rest",
        concat!(
            r#"{"client_uri": "https://client.example.com", "logo_uri": "https://client.example.com/logo.png", "#,
            r#""policy_uri": "https://client.example.com/privacy", "tos_uri": "https://client.example.com/terms", "#,
            r#""response_types": ["code"]}"#
        ),
    ),
    ("created_at", "2026-01-01T00:00:00Z"),
];

#[derive(Clone, Copy)]
pub enum Script {
    Insert,
    Rotate,
}

pub struct Pgbench {
    insert: PathBuf,
    rotate: PathBuf,
}

impl Pgbench {
    pub fn prepare(cluster: &Cluster) -> Result<Self, Failure> {
        cluster.sql("postgres", &format!("CREATE DATABASE {DATABASE}"))?;
        cluster.sql(DATABASE, TABLES)?;
        let (insert, rotate) =
            (cluster.folder().join("insert.sql"), cluster.folder().join("rotate.sql"));
        fs::write(&insert, INSERT)?;
        fs::write(&rotate, ROTATE)?;
        Ok(Self { insert, rotate })
    }

    pub fn run(
        &self,
        cluster: &Cluster,
        script: Script,
        connections: usize,
        turn: Duration,
    ) -> Result<Tally, Failure> {
        let log = cluster.folder().join("pgbench-log");
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let mut pgbench = cluster.client("pgbench", DATABASE);
        pgbench.args(["-n", "-M", "prepared", "-j", "1", "-l", "--log-prefix"]).arg(&log);
        pgbench.args(["-c", &connections.to_string(), "-T", &turn.as_secs().to_string()]);
        pgbench.args(["-D", "n=0", "-D", &format!("started={started}")]);
        // The key before the first one: a time, the version of a UUIDv7, and its variant.
        let before = (started << 16) + 28672;
        pgbench.args(["-D", &format!("high={before}"), "-D", &format!("low={}", -i64::MAX)]);
        for (column, value) in COLUMNS.into_iter().chain([("family", FAMILY)]) {
            pgbench.args(["-D", &format!("{column}={value}")]);
        }
        let script = match script {
            Script::Insert => &self.insert,
            Script::Rotate => &self.rotate,
        };
        let printed = process::run(pgbench.arg("-f").arg(script), "pgbench")?;
        let latencies = read_and_remove_logs(&log)?;
        let rate: f64 = figure(&printed, "tps = ")?;
        let took = Duration::from_secs_f64(latencies.count() as f64 / rate);
        Ok(Tally { latencies, errors: failed(&printed), wrong_status: None, took })
    }
}

/// The client that the bare server reads, and its key.
pub fn insert_one(cluster: &Cluster) -> Result<&'static str, Failure> {
    const ID: &str = "01900000-0000-7000-8000-000000000000";
    let values: Vec<String> = COLUMNS.iter().map(|(_, value)| format!("'{value}'")).collect();
    cluster
        .sql(DATABASE, &format!("INSERT INTO clients VALUES ('{ID}', {})", values.join(", ")))?;
    Ok(ID)
}

/// The number after `label` in the output of pgbench.
fn figure(printed: &str, label: &str) -> Result<f64, Failure> {
    let value =
        printed.split(label).nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    value.ok_or_else(|| Failure::Unexpected {
        what: "a rate from pgbench",
        came: printed.to_owned(),
    })
}

/// Before Postgres 15, pgbench does not print this line, and a failed transaction ends the run.
fn failed(printed: &str) -> u64 {
    figure(printed, "number of failed transactions: ").map_or(0, |failed| failed as u64)
}

/// pgbench writes a line per transaction: client, number, microseconds, and further columns.
fn read_and_remove_logs(prefix: &Path) -> Result<Latencies, Failure> {
    let mut latencies = Latencies::default();
    for entry in fs::read_dir(prefix.with_file_name(""))?.flatten() {
        let path = entry.path();
        if path.with_extension("") == prefix {
            let micros = |line: &str| line.split(' ').nth(2)?.parse().ok();
            fs::read_to_string(&path)?.lines().filter_map(micros).for_each(|micros| {
                latencies.record(Duration::from_micros(micros));
            });
            fs::remove_file(path)?;
        }
    }
    Ok(latencies)
}
