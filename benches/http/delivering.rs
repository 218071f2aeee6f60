//! The delivery rate of waiting events: they are inserted by SQL before the server starts, and the
//! receiver counts them.

use std::thread;
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::people;
use crate::receiver::{ID, Log, Receiver};
use crate::report::figure;
use crate::subject::{DATABASE, Settings};
use crate::usage::{self, Usage};

/// The benchmark stops waiting after this time without a request.
const SILENCE: Duration = Duration::from_secs(30);

pub struct Delivered {
    pub lanes: usize,
    events: usize,
    log: Log,
    /// The number according to the database.
    noted: usize,
    pub peak_mb: f64,
    /// Microseconds of CPU time per delivery.
    server_us: f64,
    postgres_us: f64,
    receiver_us: f64,
    pub others: f64,
}

pub fn run(
    cluster: &Cluster,
    settings: &Settings,
    receiver: &Receiver,
    events: usize,
    lanes: usize,
) -> Result<Delivered, Failure> {
    insert(cluster, events, lanes)?;
    receiver.expect(events, lanes);
    let (began, before) = (Instant::now(), Usage::now(None, cluster.process_id())?);
    let (process, _) = settings.serve()?;
    watch(receiver, events, lanes);
    let noted = wait_until_noted(cluster, events)?;
    let used = Usage::now(Some(process.id()), cluster.process_id())?.since(before);
    let each = |time: Duration| time.as_secs_f64() * 1e6 / events as f64;
    Ok(Delivered {
        lanes,
        events,
        log: receiver.log(),
        noted,
        peak_mb: usage::peak_mb(process.id())?,
        server_us: each(used.server),
        postgres_us: each(used.postgres),
        receiver_us: each(used.ours.saturating_sub(used.server + used.postgres)),
        others: used.others().as_secs_f64() / began.elapsed().as_secs_f64(),
    })
}

/// Distributes the events over the lanes. Analyzes the table, as autovacuum would do for a table
/// that filled up slowly.
fn insert(cluster: &Cluster, events: usize, lanes: usize) -> Result<(), Failure> {
    let now = people::now();
    cluster.sql(
        DATABASE,
        &format!(
            "TRUNCATE deliveries, delivery_lanes;
             INSERT INTO delivery_lanes (webhook_id, client_id, due_at, version)
             SELECT w.id, md5('lane ' || lane)::uuid, {now}, {events} / {lanes}
               FROM webhooks w, generate_series(0, {lanes} - 1) lane;
             INSERT INTO deliveries (webhook_id, client_id, event_id, kind, data, occurred_at, waiting_since)
             SELECT w.id, md5('lane ' || n % {lanes})::uuid, ('{ID}' || lpad(to_hex(n), 12, '0'))::uuid, 'grant.given',
                    json_build_object('title', 'person-' || n || '@example.com authorized Client.', 'org_id', w.org_id,
                      'grant_id', md5('grant ' || n)::uuid,
                      'client', json_build_object('id', md5('lane ' || n % {lanes})::uuid, 'name', 'Client'),
                      'user', json_build_object('id', md5('user ' || n)::uuid, 'email', 'person-' || n || '@example.com'),
                      'scopes', '[\"email\",\"openid\",\"profile\"]'::json, 'scopes_before', null)::text,
                    {now}, {now}
               FROM webhooks w, generate_series(0, {events} - 1) n ORDER BY n"
        ),
    )?;
    cluster.sql(DATABASE, "VACUUM ANALYZE deliveries, delivery_lanes")?;
    cluster.sql(DATABASE, "CHECKPOINT").map(drop)
}

fn watch(receiver: &Receiver, events: usize, lanes: usize) {
    const REPORT_INTERVAL: Duration = Duration::from_secs(2);
    let (mut came, mut last, mut last_report) = (0, Instant::now(), Instant::now());
    while came < events && last.elapsed() < SILENCE {
        thread::sleep(Duration::from_millis(50));
        let now = receiver.distinct();
        if now > came {
            (came, last) = (now, Instant::now());
        }
        if last_report.elapsed() > REPORT_INTERVAL {
            last_report = Instant::now();
            eprintln!("{}: {came} of {events} delivered", count_of(lanes));
        }
    }
}

pub fn count_of(lanes: usize) -> String {
    if lanes == 1 { "1 lane".to_owned() } else { format!("{lanes} lanes") }
}

/// The number of events in this state at the end.
fn wait_until_noted(cluster: &Cluster, events: usize) -> Result<usize, Failure> {
    const TRIES: u32 = 50;
    let mut noted = 0;
    for _ in 0..TRIES {
        thread::sleep(Duration::from_millis(200));
        let printed =
            cluster.sql(DATABASE, "SELECT count(*) FROM deliveries WHERE state = 'delivered'")?;
        noted = printed
            .trim()
            .parse()
            .map_err(|_| Failure::Unexpected { what: "a count", came: printed })?;
        if noted == events {
            break;
        }
    }
    Ok(noted)
}

#[rustfmt::skip]
pub const COLUMNS: [&str; 13] = [
    "lanes", "delivered", "seconds", "a second", "missing", "twice", "out of order", "not noted",
    "peak MB", "CPU µs server", "CPU µs Postgres", "CPU µs receiver", "cores of others",
];

impl Delivered {
    pub fn per_second(&self) -> Option<f64> {
        let took = self.log.took().as_secs_f64();
        (took > 0.0).then(|| self.log.distinct as f64 / took)
    }

    fn missing(&self) -> usize {
        self.events - self.log.distinct
    }

    fn not_noted(&self) -> usize {
        self.events.saturating_sub(self.noted)
    }

    pub fn errors(&self) -> u64 {
        (self.missing() + self.not_noted()) as u64 + self.log.unexpected + self.log.out_of_order
    }

    pub fn row(&self) -> Vec<String> {
        vec![
            self.lanes.to_string(),
            self.log.distinct.to_string(),
            figure(Some(self.log.took().as_secs_f64()), 1),
            figure(self.per_second(), 0),
            self.missing().to_string(),
            self.log.unexpected.to_string(),
            self.log.out_of_order.to_string(),
            self.not_noted().to_string(),
            figure(Some(self.peak_mb), 1),
            figure(Some(self.server_us), 1),
            figure(Some(self.postgres_us), 1),
            figure(Some(self.receiver_us), 1),
            figure(Some(self.others), 2),
        ]
    }
}
