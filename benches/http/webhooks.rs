//! What webhooks cost: whether a decision takes longer if a webhook receives it, and how fast queued events are sent.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::causes::{self, Causes, Orgs};
use crate::cluster::Cluster;
use crate::delivering::{self, Delivered};
use crate::failure::Failure;
use crate::goals::{Goal, Limit};
use crate::options::Options;
use crate::receiver::Receiver;
use crate::request;
use crate::results::median;
use crate::subject::{self, DATABASE, Keys, Settings};
use crate::{exchange, goals, load, people, report};

const WEBHOOKS_PATH: &str = "/api/v1/integration/webhooks/configuration/webhooks";
/// The id of the organization without a webhook.
const WITHOUT: &str = "00000000-0000-0000-0000-00000000000a";
const EVENTS: usize = 100_000;
const EVENTS_QUICKLY: usize = 5_000;
/// Restricts this many clients concurrently, and one client alone.
const LANES: [usize; 2] = [1_000, 1];

pub fn run(options: &Options) -> Result<ExitCode, Failure> {
    eprintln!("Starting a temporary Postgres and the server");
    let cluster = Cluster::start()?;
    report::print_machine(&cluster, false);
    let receiver = Receiver::start()?;
    let settings =
        Settings::new(&cluster, DATABASE)?.with("GRANTOR_WEBHOOKS__ALLOW_LOOPBACK", "true");
    let keys = settings.prepare(&cluster)?;
    let (clients, mut errors) = set(&cluster, &settings, &keys, &receiver)?;

    let orgs = Orgs { without: WITHOUT.to_owned(), with: keys.org };
    let causes = causes::run(&cluster, &orgs, &clients, options)?;
    let events = if options.quick { EVENTS_QUICKLY } else { EVENTS };
    let mut delivered = Vec::new();
    for lanes in LANES {
        delivered.push(delivering::run(&cluster, &settings, &receiver, events, lanes)?);
    }

    causes.print();
    report::print(&delivering::COLUMNS, &delivered.iter().map(Delivered::row).collect::<Vec<_>>());
    errors += causes.errors() + delivered.iter().map(Delivered::errors).sum::<u64>();
    let goals = list_goals(&causes, &delivered);
    let others = median(causes.others().chain(delivered.iter().map(|delivered| delivered.others)));
    report::print_goals(&goals, errors, others.unwrap_or_default());

    Ok(goals::exit_code(&goals, errors, options))
}

/// Creates a webhook for all events, an organization without one, and clients. Returns their ids
/// and the number of errors.
fn set(
    cluster: &Cluster,
    settings: &Settings,
    keys: &Keys,
    receiver: &Receiver,
) -> Result<(Vec<String>, u64), Failure> {
    let (_process, _) = settings.serve()?;
    let webhook =
        json!({"name": "bench", "url": format!("http://{}/hook", receiver.address)}).to_string();
    let headers = [keys.headers().as_slice(), &[request::JSON]].concat();
    exchange::call(settings.address, "POST", WEBHOOKS_PATH, &headers, &webhook)?
        .expect_status(201, "the webhook")?;
    let now = people::now();
    cluster.sql(
        DATABASE,
        &format!("INSERT INTO orgs (id, name, created_at) VALUES ('{WITHOUT}', 'Without', {now})"),
    )?;
    let client = |number| subject::register(settings.address, &format!("Client {number}"));
    let clients = (0..causes::CLIENTS).map(client).collect::<Result<_, _>>()?;
    Ok((clients, register_many(cluster, settings)?))
}

/// A registration causes no event, so a webhook must not make it slower. This checks it and returns
/// the number of errors.
fn register_many(cluster: &Cluster, settings: &Settings) -> Result<u64, Failure> {
    const CONNECTIONS: usize = 16;
    let request = Arc::new(subject::register_new());
    let tally = load::run(settings.address, &request, CONNECTIONS, Duration::from_secs(1))?;
    let printed = cluster.sql(DATABASE, "SELECT count(*) FROM deliveries")?;
    let events: u64 = printed
        .trim()
        .parse()
        .map_err(|_| Failure::Unexpected { what: "a count", came: printed })?;
    println!("{} registrations wrote {events} events", tally.latencies.count());
    Ok(tally.errors + events)
}

fn list_goals(causes: &Causes, delivered: &[Delivered]) -> Vec<Goal> {
    let mut goals = causes.goals();
    let [many, _] = LANES;
    if let Some(many) = delivered.iter().find(|delivered| delivered.lanes == many) {
        let name = format!("deliveries a second, {}", delivering::count_of(many.lanes));
        goals.push(Goal::new(&name, Limit::AtLeast(2_000.0), many.per_second(), many.others));
    }
    for delivered in delivered {
        let name = format!("resident MB at its peak, {}", delivering::count_of(delivered.lanes));
        goals.push(Goal::new(&name, Limit::AtMost(150.0), Some(delivered.peak_mb), 0.0));
    }
    goals
}
