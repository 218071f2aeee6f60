//! The rounds: at each number of connections, every contender has one turn per round, so that noise
//! affects all of them.

use std::time::Duration;

use crate::contender::Contender;
use crate::failure::Failure;
use crate::measurement::Measurement;
use crate::options::Options;
use crate::results::Results;
use crate::stage::Stage;
use crate::usage;

pub fn run(stage: &Stage, options: &Options) -> Result<Results, Failure> {
    let order = order(stage, options);
    let turns = options.rounds() as usize * order.len();
    let whole = (options.turn() + options.warm_up()).mul_f64(turns as f64);
    eprintln!("{turns} turns, about {} s", whole.as_secs());

    let mut results = Results::default();
    let mut turn = 0;
    for round in 1..=options.rounds() {
        for &(connections, contender) in &order {
            turn += 1;
            eprint!(
                "[{turn:>3}/{turns}] round {round}, {connections:>2} conns, {:<33} ",
                contender.name()
            );
            let measured = stage.turn(contender, connections, options)?;
            eprintln!("{}", summary(&measured));
            results.add(connections, contender, measured);
        }
    }
    Ok(results)
}

/// The turns of one round.
fn order(stage: &Stage, options: &Options) -> Vec<(usize, Contender)> {
    let contenders = stage.contenders();
    let at = |connections| contenders.iter().map(move |contender| (connections, *contender));
    let all = options.connections().into_iter().flat_map(at);
    all.filter(|(connections, contender)| options.takes_turns(*contender, *connections)).collect()
}

fn summary(measured: &Measurement) -> String {
    let Measurement { per_second, p99_ms, errors, .. } = measured;
    let status = measured
        .wrong_status
        .map_or_else(String::new, |status| format!(", status {status} among them"));
    format!("{per_second:>8.0}/s, p99 {p99_ms:.2} ms, {errors} errors{status}")
}

/// The memory of this server and its start time, or `None` if they are not measured.
#[derive(Default)]
pub struct Memory {
    pub first_answer: Option<Duration>,
    pub idle_mb: Option<f64>,
    /// Only with `--million`.
    pub after_a_million_mb: Option<f64>,
}

pub fn memory(stage: &Stage, options: &Options) -> Result<Memory, Failure> {
    let Some(subject) = &stage.subject else { return Ok(Memory::default()) };
    let after_a_million_mb = if options.million {
        register_a_million(stage)?;
        Some(usage::resident_mb(subject.process.id())?)
    } else {
        None
    };
    Ok(Memory {
        first_answer: Some(subject.first_answer),
        idle_mb: Some(subject.idle_mb),
        after_a_million_mb,
    })
}

fn register_a_million(stage: &Stage) -> Result<(), Failure> {
    const MILLION: u64 = 1_000_000;
    let mut registered = 0;
    while registered < MILLION {
        let more = stage.register_for(Duration::from_secs(5))?;
        if more == 0 {
            let came = format!("none after {registered}");
            return Err(Failure::Unexpected { what: "a million registrations", came });
        }
        registered += more;
        eprintln!("{registered} registrations");
    }
    Ok(())
}
