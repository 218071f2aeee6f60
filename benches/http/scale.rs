//! The cost of a large database: two servers get the same requests in the same run. The database of
//! one contains only the rows that the requests use. The other one also contains many clients with
//! their grants.
//!
//! The requests use thousands of users, families and restricted clients in turn, which are spread
//! over the whole of the large tables. A server with millions of clients has to read that way, too.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use grantor::rules::id::GrantId;

use crate::cluster::Cluster;
use crate::contender::{Contender, Target};
use crate::endpoint::{Endpoint, Issuer};
use crate::failure::Failure;
use crate::fill::{ACTIVE, Active, Filling};
use crate::goals::{self, Goal, Limit};
use crate::load;
use crate::measurement::Measurement;
use crate::options::Options;
use crate::our_tokens;
use crate::report::{self, figure};
use crate::request::Request;
use crate::results::{Results, median, ratio};
use crate::subject::{self, DATABASE, Subject};

const LARGE_DATABASE: &str = "grantor_large";
/// The ratio of the rate with the large database to the rate with the small one.
const AT_LEAST: f64 = 0.9;

/// In the order of their turns: the introspections use the access tokens of the refreshes.
const MEASURED: [Contender; 6] = [
    Contender::Register,
    Contender::RegisterAgain,
    Contender::Tokens(Endpoint::Exchange, Issuer::Ours),
    Contender::Tokens(Endpoint::Refresh, Issuer::Ours),
    Contender::Tokens(Endpoint::IntrospectNew, Issuer::Ours),
    Contender::Restriction,
];

pub fn run(clients: u64, options: &Options) -> Result<ExitCode, Failure> {
    eprintln!("Starting a temporary Postgres and two servers, and filling their databases");
    let cluster = Cluster::start()?;
    report::print_machine(&cluster, false);
    let small = Side::start(&cluster, DATABASE, 0)?;
    let large = Side::start(&cluster, LARGE_DATABASE, clients)?;
    let mut sides = Sides { small, large, cluster };
    for round in 1..=options.rounds() {
        for connections in options.connections() {
            for contender in MEASURED {
                eprint!("round {round}, {connections:>2} conns, {:<20}", contender.name());
                sides.take_turns(round, connections, contender, options)?;
                eprintln!();
            }
        }
    }
    sides.print(&options.connections());
    let goals = sides.goals(&options.connections());
    let errors = sides.small.results.errors() + sides.large.results.errors();
    let others = [&sides.small, &sides.large].into_iter().filter_map(|side| side.results.others());
    report::print_goals(&goals, errors, others.fold(0.0, f64::max));
    Ok(goals::exit_code(&goals, errors, options))
}

struct Sides {
    small: Side,
    large: Side,
    // Dropped last, because the others are connected to it.
    cluster: Cluster,
}

/// A server and its database.
struct Side {
    subject: Subject,
    /// The clients besides the active ones.
    clients: u64,
    targets: Vec<(Contender, Target)>,
    results: Results,
}

impl Side {
    fn start(cluster: &Cluster, database: &'static str, clients: u64) -> Result<Self, Failure> {
        let mut subject = Subject::start(cluster, database)?;
        // The inserted families are like this one.
        subject.tokens.begin_chains(1)?;
        let (org, client) = (subject.keys.org.as_str(), subject.tokens.client_id.as_str());
        let filling = Filling { cluster, database, org, client, api: our_tokens::API };
        let active = filling.fill(clients)?;
        println!("{database}: {} clients, {:.1} GB", clients + ACTIVE, filling.gigabytes()?);
        let targets = targets(&mut subject, active)?;
        Ok(Self { subject, clients, targets, results: Results::default() })
    }

    /// A checkpoint precedes each turn, so that no turn writes the pages of the one before it.
    fn take_turn(
        &mut self,
        cluster: &Cluster,
        connections: usize,
        contender: Contender,
        options: &Options,
    ) -> Result<(), Failure> {
        let target =
            self.targets.iter().find(|(who, _)| *who == contender).map(|(_, target)| target);
        let Some(target) = target else { return Ok(()) };
        if let Contender::Tokens(endpoint, _) = contender {
            self.subject.tokens.stock_up(endpoint, options.warm_up() + options.turn())?;
        }
        cluster.sql("postgres", "CHECKPOINT")?;
        let measured = target.turn(contender, connections, cluster.process_id(), options)?;
        eprint!(
            ", {} clients: {:.0}/s, {} errors",
            self.clients + ACTIVE,
            measured.per_second,
            measured.errors
        );
        self.results.add(connections, contender, measured);
        Ok(())
    }
}

/// The requests, which use the active rows in turn.
fn targets(subject: &mut Subject, active: Active) -> Result<Vec<(Contender, Target)>, Failure> {
    let Active { grants, refresh_tokens, restricted_clients } = active;
    let grants = grants.iter().map(|id| grant_id(id)).collect::<Result<Vec<_>, _>>()?;
    subject.tokens.spread_over(grants, refresh_tokens);
    let keys = subject.keys.headers();
    let restriction = Request::get_each(restricted_clients, subject::restriction_path, &keys);
    let (exchange, refresh) =
        (subject.tokens.request(Endpoint::Exchange)?, subject.tokens.spread_refresh());
    let introspect = subject.tokens.request(Endpoint::IntrospectNew)?;
    let ours = |endpoint| Contender::Tokens(endpoint, Issuer::Ours);
    let target = |(contender, request)| {
        let (address, process) = (subject.address, subject.process.id());
        (contender, Target { address, process, request: Arc::new(request) })
    };
    let targets = [
        (Contender::Register, subject::register_new()),
        (Contender::RegisterAgain, subject::register_known()),
        (ours(Endpoint::Exchange), exchange),
        (ours(Endpoint::Refresh), refresh),
        (ours(Endpoint::IntrospectNew), introspect),
        (Contender::Restriction, restriction),
    ]
    .map(target);
    check_refreshed_tokens(subject, &targets)?;
    Ok(targets.into())
}

/// Fails if the inserted families are not valid. An introspection has the status 200 even then.
fn check_refreshed_tokens(
    subject: &Subject,
    targets: &[(Contender, Target)],
) -> Result<(), Failure> {
    const A_WHILE: Duration = Duration::from_millis(300);
    let refresh = Contender::Tokens(Endpoint::Refresh, Issuer::Ours);
    for (_, target) in targets.iter().filter(|(contender, _)| *contender == refresh) {
        let tally = load::run(target.address, &target.request, 1, A_WHILE)?;
        if tally.errors > 0 || tally.latencies.count() == 0 {
            let came = format!("{} errors, status {:?}", tally.errors, tally.wrong_status);
            return Err(Failure::Unexpected { what: "refreshed tokens", came });
        }
    }
    subject.tokens.request(Endpoint::IntrospectSeen).map(drop)
}

fn grant_id(text: &str) -> Result<GrantId, Failure> {
    text.parse()
        .map(GrantId)
        .map_err(|_| Failure::Unexpected { what: "a grant's id", came: text.to_owned() })
}

impl Sides {
    /// Both sides, one after the other. The order alternates.
    fn take_turns(
        &mut self,
        round: u32,
        connections: usize,
        contender: Contender,
        options: &Options,
    ) -> Result<(), Failure> {
        let mut order = [&mut self.small, &mut self.large];
        order.rotate_left((round % 2) as usize);
        for side in order {
            side.take_turn(&self.cluster, connections, contender, options)?;
        }
        Ok(())
    }

    fn rounds(&self, connections: usize, contender: Contender) -> [&[Measurement]; 2] {
        [&self.large, &self.small].map(|side| side.results.rounds(connections, contender))
    }

    fn ratio(&self, connections: usize, contender: Contender) -> Option<f64> {
        ratio(self.rounds(connections, contender), |round| round.per_second)
    }

    fn print(&self, connections: &[usize]) {
        let mut columns = report::COLUMNS.to_vec();
        columns.insert(1, "clients");
        let mut rows = Vec::new();
        for &connections in connections {
            for contender in MEASURED {
                for side in [&self.small, &self.large] {
                    let clients = (side.clients + ACTIVE).to_string();
                    let mut row =
                        vec![contender.name().to_owned(), clients, connections.to_string()];
                    row.extend(report::medians(side.results.rounds(connections, contender)));
                    let ratio =
                        (side.clients > 0).then(|| figure(self.ratio(connections, contender), 2));
                    row.push(ratio.unwrap_or_default());
                    rows.push(row);
                }
            }
        }
        report::print(&columns, &rows);
    }

    fn goals(&self, connections: &[usize]) -> Vec<Goal> {
        let goal = |connections: usize, contender: Contender| {
            let others =
                self.rounds(connections, contender).into_iter().flatten().map(|round| round.others);
            Goal {
                name: format!(
                    "{}, with {} more clients / without",
                    contender.name(),
                    self.large.clients
                ),
                connections: Some(connections),
                limit: Limit::AtLeast(AT_LEAST),
                measured: self.ratio(connections, contender),
                others: median(others).unwrap_or_default(),
            }
        };
        connections.iter().flat_map(|&at| MEASURED.map(|contender| goal(at, contender))).collect()
    }
}
