//! A temporary Postgres with its default settings, so every commit is on the disk before its
//! response. Its folder is removed at the end of the benchmark. Only `max_connections` is raised,
//! for 64 connections of `pgbench` and two pools of 16.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::failure::Failure;
use crate::interrupt;
use crate::process::{self, Ending, Process};
use crate::tools::{RunsAs, Tools};

pub struct Cluster {
    server: Process,
    tools: Tools,
    port: u16,
    // Dropped last, because fields are dropped in their order.
    folder: TempDir,
}

impl Cluster {
    pub fn start() -> Result<Self, Failure> {
        let (tools, runs_as) = (Tools::find()?, RunsAs::find()?);
        let folder = tempfile::Builder::new().prefix("grantor-bench-").tempdir()?;
        interrupt::remove_when_interrupted(folder.path());
        runs_as.own(folder.path())?;
        let data = folder.path().join("data");
        initialize(&tools, &runs_as, &data)?;
        let port = free_port()?;
        let server = serve(&tools, &runs_as, &data, port)?;
        let mut cluster = Self { server, tools, port, folder };
        cluster.wait_until_ready()?;
        Ok(cluster)
    }

    fn wait_until_ready(&mut self) -> Result<(), Failure> {
        const TRIES: u32 = 300;
        for _ in 0..TRIES {
            self.server.must_run()?;
            if self.sql("postgres", "SELECT 1").is_ok() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(100));
        }
        Err(Failure::Silent { program: "postgres", seconds: 30 })
    }

    /// Runs statements and returns the unaligned rows.
    pub fn sql(&self, database: &str, statements: &str) -> Result<String, Failure> {
        let mut psql = self.client("psql", database);
        process::run(
            psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statements]),
            "psql",
        )
    }

    /// A Postgres program, configured for this cluster.
    pub fn client(&self, tool: &str, database: &str) -> Command {
        let mut command = Command::new(self.tools.path(tool));
        command.env("PGHOST", Ipv4Addr::LOCALHOST.to_string()).env("PGPORT", self.port.to_string());
        command.env("PGUSER", "postgres").env("PGDATABASE", database);
        command
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn process_id(&self) -> u32 {
        self.server.id()
    }

    pub fn version(&self) -> Result<String, Failure> {
        self.tools.version()
    }
}

fn initialize(tools: &Tools, runs_as: &RunsAs, data: &Path) -> Result<(), Failure> {
    let mut initdb = process::bound_to_us(tools.path("initdb"), runs_as.privileges(), Ending::Quit);
    initdb.arg("-D").arg(data).args([
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--no-locale",
        "--no-sync",
    ]);
    process::run(&mut initdb, "initdb").map(drop)
}

fn serve(tools: &Tools, runs_as: &RunsAs, data: &Path, port: u16) -> Result<Process, Failure> {
    let log = File::create(data.with_file_name("postgres.log"))?;
    let mut postgres =
        process::bound_to_us(tools.path("postgres"), runs_as.privileges(), Ending::Quit);
    postgres.arg("-D").arg(data).arg("-p").arg(port.to_string());
    postgres.args([
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        "unix_socket_directories=",
        "-c",
        "max_connections=200",
    ]);
    postgres.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    Process::start(postgres, "postgres", Ending::Quit)
}

/// A free port. Another process may take it first; then starting Postgres fails with an error.
pub fn free_port() -> Result<u16, Failure> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
