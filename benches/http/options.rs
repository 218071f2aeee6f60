//! The command line. `cargo bench` adds `--bench`, `cargo test` does not; the bare server is this same program again.

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

#[derive(Parser, Debug)]
#[command(name = "bench", about = "Measures this server beside pgbench and a bare axum server")]
pub struct Options {
    #[command(subcommand)]
    pub role: Option<Role>,

    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    pub bench: bool,

    /// One round of one second each: whether everything answers, not how fast
    #[arg(long)]
    pub quick: bool,

    /// After the rounds, goes on to 1,000,000 registrations and reads the memory again
    #[arg(long)]
    pub million: bool,

    /// How often each contender has its turn; medians are printed
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// How long each turn takes
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,

    /// Connections to measure at
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64], value_name = "N,…")]
    connections: Vec<usize>,

    /// Measure only these
    #[arg(long, value_delimiter = ',', value_name = "GROUP,…")]
    only: Vec<Group>,
}

/// What is left out together by `--only`.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Pgbench,
    Floor,
    Server,
}

#[derive(Subcommand, Debug)]
pub enum Role {
    /// The bare axum server that this program starts of itself
    #[command(hide = true)]
    Floor(Floor),
}

#[derive(Args, Debug)]
pub struct Floor {
    #[arg(long)]
    pub port: u16,
    #[arg(long)]
    pub database: String,
    /// How long the static document is
    #[arg(long)]
    pub bytes: usize,
}

impl Options {
    pub fn rounds(&self) -> u32 {
        if self.quick { 1 } else { self.rounds }
    }

    pub fn turn(&self) -> Duration {
        Duration::from_secs(if self.quick { 1 } else { self.seconds })
    }

    /// What goes before each turn and is not counted.
    pub fn warm_up(&self) -> Duration {
        (self.turn() / 10).max(Duration::from_millis(300))
    }

    pub fn connections(&self) -> Vec<usize> {
        self.connections.clone()
    }

    pub fn wants(&self, group: Group) -> bool {
        self.only.is_empty() || self.only.contains(&group)
    }
}
