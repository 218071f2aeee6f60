//! The result of one turn of one contender.

use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::load::Tally;
use crate::usage::Usage;

pub struct Measurement {
    pub errors: u64,
    pub wrong_status: Option<u16>,
    pub per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// Microseconds of CPU time per request. pgbench has no server.
    pub server_us: Option<f64>,
    pub postgres_us: f64,
    /// The CPU time of the load generator or pgbench.
    pub load_us: f64,
    /// Cores that other processes kept busy meanwhile.
    pub others: f64,
    pub resident_mb: Option<f64>,
}

impl Measurement {
    /// The CPU time of a request in the server and Postgres together.
    pub fn processor_us(&self) -> f64 {
        self.server_us.unwrap_or_default() + self.postgres_us
    }
}

/// The CPU time between two moments.
pub struct Stopwatch {
    server: Option<u32>,
    postgres: u32,
    began: Instant,
    usage: Usage,
}

impl Stopwatch {
    pub fn start(server: Option<u32>, postgres: u32) -> Result<Self, Failure> {
        Ok(Self { server, postgres, began: Instant::now(), usage: Usage::now(server, postgres)? })
    }

    pub fn stop(self, tally: Tally, resident_mb: Option<f64>) -> Result<Measurement, Failure> {
        let elapsed = self.began.elapsed();
        let used = Usage::now(self.server, self.postgres)?.since(self.usage);
        let requests = tally.latencies.count() as u64;
        let each = |time: Duration| time.as_secs_f64() * 1e6 / requests.max(1) as f64;
        let [p50_ms, p99_ms] = tally.latencies.percentiles([0.50, 0.99]);
        Ok(Measurement {
            errors: tally.errors,
            wrong_status: tally.wrong_status,
            per_second: requests as f64 / tally.took.as_secs_f64(),
            p50_ms,
            p99_ms,
            server_us: self.server.map(|_| each(used.server)),
            postgres_us: each(used.postgres),
            load_us: each(used.ours.saturating_sub(used.server + used.postgres)),
            others: used.others().as_secs_f64() / elapsed.as_secs_f64(),
            resident_mb,
        })
    }
}
