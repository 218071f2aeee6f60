//! The speed and cost of this server compared with the limits of the machine and with a peer. In
//! one run and on one temporary Postgres, it measures `pgbench`, a bare axum server, oidc-provider
//! and this server in turn. `scripts/bench` runs it and explains its output.
//!
//! Linux only: CPU time and memory are read from `/proc`.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

mod causes;
mod cluster;
mod contender;
mod conversation;
mod delivering;
mod endpoint;
mod exchange;
mod failure;
mod fill;
mod floor;
mod form;
mod goals;
mod interrupt;
mod latencies;
mod library;
mod load;
mod measurement;
mod mint;
mod options;
mod our_tokens;
mod peer;
mod people;
mod pgbench;
mod process;
mod receiver;
mod report;
mod request;
mod response;
mod results;
mod rounds;
mod scale;
mod soak;
mod stage;
mod subject;
mod token_goals;
mod token_server;
mod tokens;
mod tools;
mod usage;
mod webhooks;

use std::process::ExitCode;

use clap::Parser as _;

use failure::Failure;
use options::{Options, Role};

fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = match &options.role {
        Some(Role::Floor(floor)) => floor::serve(floor).map(|()| ExitCode::SUCCESS),
        None if options.bench => measure(&options),
        None => {
            println!("This is a benchmark, not a test: scripts/bench runs it.");
            Ok(ExitCode::SUCCESS)
        }
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("bench: {failure}");
        ExitCode::FAILURE
    })
}

fn measure(options: &Options) -> Result<ExitCode, Failure> {
    if options.webhooks {
        return webhooks::run(options);
    }
    match (options.soak, options.scale) {
        (Some(minutes), _) => soak::run(minutes),
        (None, Some(clients)) => scale::run(clients, options),
        (None, None) => compare(options),
    }
}

fn compare(options: &Options) -> Result<ExitCode, Failure> {
    let stage = stage::Stage::set(options)?;
    report::print_machine(&stage.cluster, stage.peer.is_some());
    let results = rounds::run(&stage, options)?;
    let memory = rounds::memory(&stage, options)?;
    let goals = goals::judge(&results, &memory, options);

    report::print_table(&results);
    report::print_goals(&goals, results.errors(), results.others().unwrap_or_default());
    Ok(goals::exit_code(&goals, results.errors(), options))
}
