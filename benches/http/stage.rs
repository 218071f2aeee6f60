//! Everything that runs during the turns: Postgres, the bare server, the peer, and this server.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::{self, Cluster};
use crate::contender::{Contender, Target};
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::floor;
use crate::load;
use crate::measurement::{Measurement, Stopwatch};
use crate::options::{Group, Options};
use crate::peer::{self, Peer};
use crate::pgbench::{self, Pgbench, Script};
use crate::process::{self, Ending, Process};
use crate::request::{self, Request};
use crate::subject::{self, DATABASE, Subject};
use crate::token_server::TokenServer;

/// The default length of the sites document, for runs that do not measure this server.
const USUAL_BYTES: usize = 170;

pub struct Stage {
    targets: Vec<(Contender, Target)>,
    pgbench: Option<Pgbench>,
    pub subject: Option<Subject>,
    pub peer: Option<Peer>,
    // Held for its `Drop`.
    _floor: Option<Process>,
    // Dropped last, because the others are connected to it.
    pub cluster: Cluster,
}

impl Stage {
    pub fn set(options: &Options) -> Result<Self, Failure> {
        eprintln!("Starting a temporary Postgres and the servers");
        let cluster = Cluster::start()?;
        let pgbench = Pgbench::prepare(&cluster)?;
        let mut targets = Vec::new();
        let subject = if options.wants(Group::Server) {
            Some(Subject::start(&cluster, DATABASE)?)
        } else {
            None
        };
        if let Some(subject) = &subject {
            targets.extend(subject_targets(subject));
        }
        let peer = if options.wants(Group::Peer) { start_peer(&cluster)? } else { None };
        for server in token_servers(subject.as_ref(), peer.as_ref()) {
            targets.extend(token_targets(server, options)?);
        }
        let bytes = subject.as_ref().map_or(USUAL_BYTES, |subject| subject.sites_bytes);
        let floor = if options.wants(Group::Floor) {
            Some(start_floor(&cluster, bytes, &mut targets)?)
        } else {
            None
        };
        let pgbench = options.wants(Group::Pgbench).then_some(pgbench);
        Ok(Self { targets, pgbench, subject, peer, _floor: floor, cluster })
    }

    pub fn contenders(&self) -> Vec<Contender> {
        let is_here = |contender: &Contender| match contender.group() {
            Group::Pgbench => self.pgbench.is_some(),
            _ => self.target(*contender).is_some(),
        };
        Contender::all().into_iter().filter(is_here).collect()
    }

    fn target(&self, contender: Contender) -> Option<&Target> {
        self.targets.iter().find(|(who, _)| *who == contender).map(|(_, target)| target)
    }

    /// One contender's turn.
    pub fn turn(
        &self,
        contender: Contender,
        connections: usize,
        options: &Options,
    ) -> Result<Measurement, Failure> {
        let postgres = self.cluster.process_id();
        if let Some(target) = self.target(contender) {
            self.stock_up(contender, options)?;
            return target.turn(contender, connections, postgres, options);
        }
        let pgbench = self.pgbench.as_ref().ok_or(Failure::Unexpected {
            what: "a server to measure",
            came: contender.name().to_owned(),
        })?;
        let stopwatch = Stopwatch::start(None, postgres)?;
        let script =
            if contender == Contender::PgbenchRotate { Script::Rotate } else { Script::Insert };
        let tally = pgbench.run(&self.cluster, script, connections, options.turn())?;
        stopwatch.stop(tally, None)
    }

    fn stock_up(&self, contender: Contender, options: &Options) -> Result<(), Failure> {
        let Contender::Tokens(endpoint, issuer) = contender else { return Ok(()) };
        let mut servers = token_servers(self.subject.as_ref(), self.peer.as_ref());
        let server = servers.find(|server| server.issuer == issuer);
        server
            .map_or(Ok(()), |server| server.stock_up(endpoint, options.warm_up() + options.turn()))
    }

    /// Sends new registrations only, to measure their memory. Returns the number of responses.
    pub fn register_for(&self, turn: Duration) -> Result<u64, Failure> {
        const CONNECTIONS: usize = 64;
        let Some(target) = self.target(Contender::Register) else { return Ok(0) };
        let tally = load::run(target.address, &target.request, CONNECTIONS, turn)?;
        Ok(tally.latencies.count() as u64)
    }
}

fn subject_targets(subject: &Subject) -> Vec<(Contender, Target)> {
    let (path, status) = subject::SAME_MIDDLEWARE;
    let keys = subject.keys.headers();
    [
        (Contender::Register, subject::register_new()),
        (Contender::RegisterAgain, subject::register_known()),
        (Contender::Restriction, Request::get(&subject.restriction_path(), &keys, 200)),
        (Contender::SameMiddleware, Request::get(path, &[], status)),
        (Contender::Sites, Request::get(subject::SITES_PATH, &[], 200)),
    ]
    .map(|(contender, request)| (contender, target(subject.address, &subject.process, request)))
    .into()
}

fn start_peer(cluster: &Cluster) -> Result<Option<Peer>, Failure> {
    let Some(folder) = peer::installed() else {
        eprintln!("oidc-provider is not installed, so nothing is measured beside it");
        return Ok(None);
    };
    Peer::start(cluster, &folder).map(Some)
}

fn token_servers<'a>(
    subject: Option<&'a Subject>,
    peer: Option<&'a Peer>,
) -> impl Iterator<Item = &'a TokenServer> {
    let ours = subject.map(|subject| &subject.tokens);
    ours.into_iter().chain(peer.map(|peer| &peer.tokens))
}

fn token_targets(
    server: &TokenServer,
    options: &Options,
) -> Result<Vec<(Contender, Target)>, Failure> {
    /// The number of families to replace broken ones.
    const SPARE: usize = 16;
    let most = options.connections().into_iter().max().unwrap_or_default();
    server.begin_chains(most + SPARE)?;
    let target = |endpoint: Endpoint| {
        let request = Arc::new(server.request(endpoint)?);
        let target = Target { address: server.address, process: server.process, request };
        Ok((Contender::Tokens(endpoint, server.issuer), target))
    };
    Endpoint::ALL.into_iter().map(target).collect()
}

fn start_floor(
    cluster: &Cluster,
    bytes: usize,
    targets: &mut Vec<(Contender, Target)>,
) -> Result<Process, Failure> {
    let client = pgbench::insert_one(cluster)?;
    let port = cluster::free_port()?;
    let mut command = process::bound_to_us(std::env::current_exe()?, &[], Ending::Kill);
    command.args(["floor", "--port", &port.to_string(), "--bytes", &bytes.to_string()]);
    command.args(["--database", &cluster.url(pgbench::DATABASE)]).stdin(Stdio::null());
    let mut process = Process::start(command, "the bare axum server", Ending::Kill)?;

    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let read_path = format!("/client/{client}");
    subject::wait_for_answer(&mut process, address, &read_path)?;
    let get = |path| Request::get(path, &[], 200);
    targets.push((Contender::FloorRead, target(address, &process, get(&read_path))));
    targets.push((Contender::FloorStatic, target(address, &process, get(floor::STATIC_PATH))));
    let registration =
        Request::post(floor::PARSE_PATH, &[request::JSON], &request::registration("Client"));
    targets.push((Contender::FloorParse, target(address, &process, registration)));
    Ok(process)
}

fn target(address: SocketAddr, process: &Process, request: Request) -> Target {
    Target { address, process: process.id(), request: Arc::new(request) }
}
