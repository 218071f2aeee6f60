//! A long run of refreshes that checks whether the server's memory or the table of token families
//! grows.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::Cluster;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::subject::{self, DATABASE, Subject};
use crate::{load, usage};

const CONNECTIONS: usize = 16;
/// Memory varies a little. A leak per refresh would be much larger.
const MAX_GROWTH: f64 = 1.05;

pub fn run(minutes: u32) -> Result<ExitCode, Failure> {
    let cluster = Cluster::start()?;
    let subject = Subject::start(&cluster, DATABASE)?;
    subject.tokens.begin_chains(2 * CONNECTIONS)?;
    let request = Arc::new(subject.tokens.request(Endpoint::Refresh)?);
    println!("| minute | refreshes/s | p99 ms | errors | resident MB | families MB |");
    println!("| ------ | ----------- | ------ | ------ | ----------- | ----------- |");
    let (mut resident, mut errors) = (Vec::new(), 0);
    for minute in 1..=minutes {
        let tally = load::run(subject.address, &request, CONNECTIONS, Duration::from_secs(60))?;
        let rate = tally.latencies.count() as f64 / tally.took.as_secs_f64();
        let [_, p99_ms] = tally.latencies.percentiles([0.50, 0.99]);
        let resident_mb = usage::resident_mb(subject.process.id())?;
        let families_mb = subject::families_mb(&cluster)?;
        let failed = tally.errors;
        println!(
            "| {minute:>6} | {rate:>11.0} | {p99_ms:>6.2} | {failed:>6} | {resident_mb:>11.1} | {families_mb:>11.1} |"
        );
        errors += failed;
        resident.push(resident_mb);
    }
    Ok(verdict(&resident, errors))
}

/// From a quarter of the time, when every buffer has been used, to the end.
fn verdict(resident: &[f64], errors: u64) -> ExitCode {
    let (Some(early), Some(late)) = (resident.get(resident.len() / 4), resident.last()) else {
        return ExitCode::FAILURE;
    };
    let has_grown = late / early > MAX_GROWTH;
    let said = if has_grown { "GREW" } else { "did not grow" };
    println!(
        "\nresident memory {said}: {early:.1} MB after a quarter of the time, {late:.1} MB at the end; {errors} errors"
    );
    if has_grown || errors > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
