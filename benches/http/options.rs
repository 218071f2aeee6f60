//! The command line. `cargo bench` adds `--bench`, `cargo test` does not. The bare server is this
//! program too.

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::contender::Contender;

/// The numbers of connections for registrations, by default.
const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// The numbers of connections for tokens, where a slow peer has a turn at each of them, and for a
/// large database.
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

    /// Only the token endpoints
    #[arg(long)]
    pub tokens: bool,

    /// Instead of the rounds, refreshes tokens for this time and reads the memory each minute
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..))]
    pub soak: Option<u32>,

    /// Instead of the rounds, compares a database with this many more clients to one without them
    #[arg(long, value_name = "N", conflicts_with = "soak", value_parser = clap::value_parser!(u64).range(1..))]
    pub scale: Option<u64>,

    /// Instead of the rounds, what webhooks cost: events written with their causes, and events sent
    #[arg(long, conflicts_with_all = ["soak", "scale"])]
    pub webhooks: bool,

    /// The number of turns of each contender; medians are printed
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// The duration of each turn
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,

    /// Connections to measure at; by default 1, 16 and 64, and only 16 for tokens and --scale
    #[arg(long, value_delimiter = ',', value_name = "N,…")]
    connections: Vec<usize>,

    /// Measure only these
    #[arg(long, value_delimiter = ',', value_name = "GROUP,…")]
    only: Vec<Group>,
}

/// Contenders that `--only` selects together.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Pgbench,
    Floor,
    Server,
    Peer,
}

/// The purpose of a contender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Registrations,
    Tokens,
    Both,
}

#[derive(Subcommand, Debug)]
pub enum Role {
    /// The bare axum server that this program starts
    #[command(hide = true)]
    Floor(Floor),
}

#[derive(Args, Debug)]
pub struct Floor {
    #[arg(long)]
    pub port: u16,
    #[arg(long)]
    pub database: String,
    /// The length of the static document
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

    /// The warm-up before each turn, which is not counted.
    pub fn warm_up(&self) -> Duration {
        (self.turn() / 10).max(Duration::from_millis(300))
    }

    pub fn connections(&self) -> Vec<usize> {
        match self.connections.as_slice() {
            [] if self.tokens || self.scale.is_some() => CONNECTIONS_FOR_TOKENS.into(),
            [] => CONNECTIONS.into(),
            given => given.into(),
        }
    }

    /// Whether tokens are measured at this number of connections.
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
