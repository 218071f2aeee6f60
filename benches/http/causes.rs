//! The extra cost of decisions that are delivered to a webhook: the same decisions in an
//! organization without a webhook and in one with a webhook for all events. Nothing is sent
//! meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use grantor::actions::authorize::offer_scopes::Offer;
use grantor::rules::id::OrgId;
use tokio::runtime::Runtime;

use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::goals::{Goal, Limit};
use crate::library::Library;
use crate::load::Tally;
use crate::measurement::{Measurement, Stopwatch};
use crate::options::Options;
use crate::people;
use crate::report::{self, figure};
use crate::results::{median, ratio};

/// The number of concurrent callers, each with its own clients.
const TASKS: usize = 16;
pub const CLIENTS: usize = 4 * TASKS;
/// More consents per second than any machine can make. A turn ends early when all users have
/// consented.
const MAX_CONSENTS_PER_SECOND: u64 = 4_000;
const AT_LEAST: f64 = 0.9;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Restriction,
    Consent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Audience {
    NoWebhook,
    Webhook,
}

impl Cause {
    const ALL: [Self; 2] = [Self::Restriction, Self::Consent];

    fn name(self) -> &'static str {
        match self {
            Self::Restriction => "restriction changed",
            Self::Consent => "consent given",
        }
    }
}

impl Audience {
    fn name(self) -> &'static str {
        match self {
            Self::NoWebhook => "none",
            Self::Webhook => "all events",
        }
    }
}

pub struct Orgs {
    pub without: String,
    pub with: String,
}

/// One measurement per round.
#[derive(Default)]
pub struct Causes(BTreeMap<(Cause, Audience), Vec<Measurement>>);

struct Stage<'a> {
    cluster: &'a Cluster,
    runtime: Runtime,
    library: Arc<Library>,
    clients: &'a [String],
    orgs: &'a Orgs,
    /// The users who can consent in a turn.
    people: u64,
}

pub fn run(
    cluster: &Cluster,
    orgs: &Orgs,
    clients: &[String],
    options: &Options,
) -> Result<Causes, Failure> {
    let stage = Stage::set(cluster, orgs, clients, options)?;
    // Not counted, because the first caller finds a cold database.
    for cause in Cause::ALL {
        stage.turn(cause, Audience::Webhook, options)?;
    }
    let mut causes = Causes::default();
    for round in 1..=options.rounds() {
        for cause in Cause::ALL {
            // Alternates the order, because the state of the disk differs for the second one.
            let mut order = [Audience::NoWebhook, Audience::Webhook];
            order.rotate_left((round % 2) as usize);
            for audience in order {
                eprint!("round {round}, {:<19} {:<10} ", cause.name(), audience.name());
                let measured = stage.turn(cause, audience, options)?;
                eprintln!(
                    "{:>6.0}/s, p99 {:.2} ms, {} errors",
                    measured.per_second, measured.p99_ms, measured.errors
                );
                causes.0.entry((cause, audience)).or_default().push(measured);
            }
        }
    }
    people::reset_decisions(cluster)?;
    Ok(causes)
}

impl<'a> Stage<'a> {
    fn set(
        cluster: &'a Cluster,
        orgs: &'a Orgs,
        clients: &'a [String],
        options: &Options,
    ) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let people =
            MAX_CONSENTS_PER_SECOND * (options.warm_up() + options.turn()).as_secs().max(1);
        people::insert(cluster, people, [&orgs.without, &orgs.with])?;
        let library =
            runtime.block_on(Library::open(cluster.url(crate::subject::DATABASE), clients))?;
        Ok(Self { cluster, runtime, library: Arc::new(library), clients, orgs, people })
    }

    fn turn(
        &self,
        cause: Cause,
        audience: Audience,
        options: &Options,
    ) -> Result<Measurement, Failure> {
        people::reset_decisions(self.cluster)?;
        let org_id = self.org_id(audience)?;
        let offers = match cause {
            Cause::Restriction => Vec::new(),
            Cause::Consent => {
                people::insert_pending_requests(
                    self.cluster,
                    self.people,
                    self.clients,
                    &self.library.request()?,
                )?;
                self.runtime.block_on(self.library.offers(org_id))?
            }
        };
        let turn = Turn {
            library: Arc::clone(&self.library),
            cause,
            org_id,
            offers,
            people: self.people,
            is_over: AtomicBool::new(false),
        };
        let turn = Arc::new(turn);
        let (next, _) = self.runtime.block_on(turn.clone().take([0; TASKS], options.warm_up()));
        let stopwatch = Stopwatch::start(None, self.cluster.process_id())?;
        let (_, tally) = self.runtime.block_on(turn.take(next, options.turn()));
        stopwatch.stop(tally, None)
    }

    fn org_id(&self, audience: Audience) -> Result<OrgId, Failure> {
        let id = match audience {
            Audience::NoWebhook => &self.orgs.without,
            Audience::Webhook => &self.orgs.with,
        };
        let bad = |_| Failure::Unexpected { what: "an organization's id", came: id.clone() };
        id.parse().map(OrgId).map_err(bad)
    }
}

/// A task returns a connection to its pool, so the runtime must still be running.
impl Drop for Stage<'_> {
    fn drop(&mut self) {
        self.runtime.block_on(self.library.close());
    }
}

struct Turn {
    library: Arc<Library>,
    cause: Cause,
    org_id: OrgId,
    /// The requests of each client, if users consent.
    offers: Vec<Offer>,
    people: u64,
    /// A caller had nothing left to do.
    is_over: AtomicBool,
}

impl Turn {
    /// Each task continues where it stopped and returns its new position.
    async fn take(self: Arc<Self>, from: [u64; TASKS], time: Duration) -> ([u64; TASKS], Tally) {
        let began = Instant::now();
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| tokio::spawn(Arc::clone(&self).decide(task, from[task], began + time)))
            .collect();
        let (mut next, mut total) = (from, Tally::default());
        for (task, outcome) in tasks.into_iter().enumerate() {
            match outcome.await {
                Ok((at, tally)) => {
                    next[task] = at;
                    total.latencies.append(tally.latencies);
                    total.errors += tally.errors;
                }
                Err(_) => total.errors += 1,
            }
        }
        total.took = began.elapsed();
        (next, total)
    }

    async fn decide(self: Arc<Self>, task: usize, from: u64, until: Instant) -> (u64, Tally) {
        let (mut at, mut tally) = (from, Tally::default());
        while !self.is_over.load(Ordering::Relaxed) {
            let began = Instant::now();
            if began >= until {
                break;
            }
            match self.decide_one(task, at).await {
                Some(Ok(())) => tally.latencies.record(began.elapsed()),
                Some(Err(refused)) => {
                    if tally.errors == 0 {
                        eprintln!("{}: {refused}", self.cause.name());
                    }
                    tally.errors += 1;
                }
                None => self.is_over.store(true, Ordering::Relaxed),
            }
            at += 1;
        }
        (at, tally)
    }

    /// `None` if all users have consented.
    async fn decide_one(&self, task: usize, at: u64) -> Option<Result<(), String>> {
        let number = at * TASKS as u64 + task as u64;
        let client = (number % CLIENTS as u64) as usize;
        match self.cause {
            Cause::Restriction => {
                Some(self.library.restrict(self.org_id, client, number / CLIENTS as u64).await)
            }
            Cause::Consent if number >= self.people => None,
            Cause::Consent => {
                Some(self.library.consent(self.org_id, client, number, &self.offers[client]).await)
            }
        }
    }
}

#[rustfmt::skip]
const COLUMNS: [&str; 12] = [
    "cause", "webhook", "a second", "the rounds", "p50 ms", "p99 ms", "errors",
    "CPU µs library", "CPU µs Postgres", "cores of others", "ratio", "ratio of CPU",
];

impl Causes {
    fn rounds(&self, cause: Cause, audience: Audience) -> &[Measurement] {
        self.0.get(&(cause, audience)).map_or(&[], Vec::as_slice)
    }

    /// The ratio of the rate with a webhook to the rate without one.
    fn ratio(&self, cause: Cause, figure: fn(&Measurement) -> f64) -> Option<f64> {
        ratio(
            [Audience::Webhook, Audience::NoWebhook].map(|audience| self.rounds(cause, audience)),
            figure,
        )
    }

    pub fn errors(&self) -> u64 {
        self.0.values().flatten().map(|round| round.errors).sum()
    }

    pub fn others(&self) -> impl Iterator<Item = f64> {
        self.0.values().flatten().map(|round| round.others)
    }

    pub fn print(&self) {
        let rows = self.0.iter().map(|(&(cause, audience), rounds)| {
            let middle = |figure: fn(&Measurement) -> f64| median(rounds.iter().map(figure));
            let each: Vec<String> =
                rounds.iter().map(|round| format!("{:.0}", round.per_second)).collect();
            let compared = |measured: fn(&Measurement) -> f64| {
                if audience == Audience::Webhook {
                    figure(self.ratio(cause, measured), 2)
                } else {
                    String::new()
                }
            };
            vec![
                cause.name().to_owned(),
                audience.name().to_owned(),
                figure(middle(|round| round.per_second), 0),
                each.join(" "),
                figure(middle(|round| round.p50_ms), 2),
                figure(middle(|round| round.p99_ms), 2),
                rounds.iter().map(|round| round.errors).sum::<u64>().to_string(),
                figure(middle(|round| round.load_us), 1),
                figure(middle(|round| round.postgres_us), 1),
                figure(middle(|round| round.others), 2),
                compared(|round| round.per_second),
                // The ratio is less reliable if other processes used the machine.
                compared(|round| round.load_us + round.postgres_us),
            ]
        });
        report::print(&COLUMNS, &rows.collect::<Vec<_>>());
    }

    pub fn goals(&self) -> Vec<Goal> {
        let goal = |cause: Cause| {
            let name = format!("{}, with a webhook / without", cause.name());
            let both = [Audience::NoWebhook, Audience::Webhook]
                .map(|audience| self.rounds(cause, audience));
            let others =
                median(both.into_iter().flatten().map(|round| round.others)).unwrap_or_default();
            Goal::new(
                &name,
                Limit::AtLeast(AT_LEAST),
                self.ratio(cause, |round| round.per_second),
                others,
            )
        };
        Cause::ALL.map(goal).into()
    }
}
