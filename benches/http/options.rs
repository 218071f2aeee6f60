//! The command line. `cargo bench` adds `--bench`, `cargo test` does not; the bare server is this same program again.

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::contender::Contender;

/// Where registrations are measured, unless told otherwise.
const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// And tokens: a slow peer has its turn beside each of them.
const CONNECTIONS_FOR_TOKENS: [usize; 1] = [16];

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

    /// Only what is about tokens
    #[arg(long)]
    pub tokens: bool,

    /// Instead of the rounds, refreshes tokens for so long and reads the memory each minute
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..))]
    pub soak: Option<u32>,

    /// Instead of the rounds, what webhooks cost: events written with their causes, and events sent
    #[arg(long, conflicts_with = "soak")]
    pub webhooks: bool,

    /// How often each contender has its turn; medians are printed
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// How long each turn takes
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,

    /// Connections to measure at; by default 1, 16 and 64, and 16 for tokens
    #[arg(long, value_delimiter = ',', value_name = "N,…")]
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
    Peer,
}

/// What a contender is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Registrations,
    Tokens,
    Both,
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
        match self.connections.as_slice() {
            [] if self.tokens => CONNECTIONS_FOR_TOKENS.into(),
            [] => CONNECTIONS.into(),
            told => told.into(),
        }
    }

    /// Whether tokens are measured at so many connections.
    pub fn measures_tokens_at(&self, connections: usize) -> bool {
        !self.connections.is_empty() || CONNECTIONS_FOR_TOKENS.contains(&connections)
    }

    pub fn takes_turns(&self, contender: Contender, connections: usize) -> bool {
        match contender.part() {
            Part::Registrations => !self.tokens,
            Part::Tokens => self.measures_tokens_at(connections),
            Part::Both => true,
        }
    }

    pub fn wants(&self, group: Group) -> bool {
        self.only.is_empty() || self.only.contains(&group)
    }
}
