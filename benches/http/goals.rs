//! The goals, and whether they were reached. Most are ratios between contenders of the same run,
//! because those carry over to other machines. The others are sizes and times.

use std::process::ExitCode;

use crate::contender::Contender;
use crate::contender::Contender::{
    FloorParse, FloorRead, FloorStatic, PgbenchInsert, Register, RegisterAgain, Restriction, Sites,
};
use crate::measurement::Measurement;
use crate::options::Options;
use crate::results::{Results, median};
use crate::rounds::Memory;
use crate::token_goals;

/// If other processes use more of the machine than this, the result is not judged: one writer gets
/// fewer turns than many.
pub const NOISY: f64 = 0.5;

/// From this number of connections on, batches are large.
const MANY_CONNECTIONS: usize = 64;

pub struct Goal {
    pub name: String,
    /// `None` if the goal is not about a load.
    pub connections: Option<usize>,
    pub limit: Limit,
    /// `None` if it was not measured in this run.
    pub measured: Option<f64>,
    /// The number of cores that other processes used meanwhile.
    pub others: f64,
}

#[derive(Clone, Copy)]
pub enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Reached,
    Missed,
    TooNoisy,
    NotMeasured,
}

impl Goal {
    /// A goal that does not depend on the number of connections.
    pub fn new(name: &str, limit: Limit, measured: Option<f64>, others: f64) -> Self {
        Self { name: name.to_owned(), connections: None, limit, measured, others }
    }

    pub fn verdict(&self) -> Verdict {
        let Some(measured) = self.measured else { return Verdict::NotMeasured };
        let reached = match self.limit {
            Limit::AtLeast(limit) => measured >= limit,
            Limit::AtMost(limit) => measured <= limit,
        };
        match reached {
            _ if self.others > NOISY => Verdict::TooNoisy,
            true => Verdict::Reached,
            false => Verdict::Missed,
        }
    }

    fn is_missed(&self) -> bool {
        self.verdict() == Verdict::Missed
    }
}

/// With `--quick`, only errors count.
pub fn exit_code(goals: &[Goal], errors: u64, options: &Options) -> ExitCode {
    let failed = errors > 0 || (!options.quick && goals.iter().any(Goal::is_missed));
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

pub fn judge(results: &Results, memory: &Memory, options: &Options) -> Vec<Goal> {
    let mut goals = Vec::new();
    for connections in options.connections() {
        let at = At { results, connections };
        if !options.tokens {
            goals.extend(at.goals());
        }
        if options.measures_tokens_at(connections) {
            goals.extend(token_goals::at(&at));
        }
    }
    goals.extend(memory_goals(memory));
    goals
}

/// The goals for one number of connections.
pub struct At<'a> {
    results: &'a Results,
    connections: usize,
}

impl At<'_> {
    fn goals(&self) -> Vec<Goal> {
        // A single connection has nothing to commit together.
        let (new, known) = match self.connections {
            1 => (0.4, 3.0),
            MANY_CONNECTIONS.. => (1.4, 3.5),
            _ => (1.0, 3.0),
        };
        let mut goals = vec![
            self.rates([Register, PgbenchInsert], new),
            self.rates([RegisterAgain, Register], known),
            self.rates([Restriction, FloorRead], 0.9),
            self.rates([Sites, FloorStatic], 0.8),
        ];
        if self.connections > 1 {
            goals.push(self.server_costs([Register, FloorParse], 3.0));
        }
        if self.connections >= MANY_CONNECTIONS {
            goals.push(self.slowest());
        }
        goals
    }

    pub fn rates(&self, contenders: [Contender; 2], at_least: f64) -> Goal {
        let measured = self.results.ratio(self.connections, contenders, |turn| turn.per_second);
        let name = contenders.map(Contender::name).join(" / ");
        self.goal(&name, Limit::AtLeast(at_least), measured, &contenders)
    }

    fn slowest(&self) -> Goal {
        let contenders = [Register, PgbenchInsert];
        let measured = self.results.ratio(self.connections, contenders, |turn| turn.p99_ms);
        self.goal(
            "registration p99 / pgbench insert p99",
            Limit::AtMost(3.0),
            measured,
            &contenders,
        )
    }

    /// Compares the CPU time of server and Postgres together.
    pub fn costs(&self, contenders: [Contender; 2], at_most: f64) -> Goal {
        let measured = self.results.ratio(self.connections, contenders, Measurement::processor_us);
        let name = format!("CPU of {}", contenders.map(Contender::name).join(" / "));
        self.goal(&name, Limit::AtMost(at_most), measured, &contenders)
    }

    /// Compares the CPU time of the servers without Postgres.
    fn server_costs(&self, contenders: [Contender; 2], at_most: f64) -> Goal {
        let server_us = |turn: &Measurement| turn.server_us.unwrap_or_default();
        let measured = self.results.ratio(self.connections, contenders, server_us);
        let name = format!("server CPU of {}", contenders.map(Contender::name).join(" / "));
        self.goal(&name, Limit::AtMost(at_most), measured, &contenders)
    }

    pub fn at_most(
        &self,
        name: &str,
        at_most: f64,
        contender: Contender,
        figure: impl Fn(&Measurement) -> f64,
    ) -> Goal {
        let measured = median(self.results.rounds(self.connections, contender).iter().map(figure));
        self.goal(name, Limit::AtMost(at_most), measured, &[contender])
    }

    fn goal(
        &self,
        name: &str,
        limit: Limit,
        measured: Option<f64>,
        contenders: &[Contender],
    ) -> Goal {
        let (name, connections) = (name.to_owned(), Some(self.connections));
        Goal { name, connections, limit, measured, others: self.others(contenders) }
    }

    fn others(&self, contenders: &[Contender]) -> f64 {
        let turns = contenders
            .iter()
            .flat_map(|contender| self.results.rounds(self.connections, *contender));
        median(turns.map(|turn| turn.others)).unwrap_or_default()
    }
}

fn memory_goals(memory: &Memory) -> [Goal; 3] {
    let first_answer_ms = memory.first_answer.map(|time| time.as_secs_f64() * 1_000.0);
    [
        ("resident MB, idle", 40.0, memory.idle_mb),
        ("resident MB after 1,000,000 registrations", 80.0, memory.after_a_million_mb),
        ("ms from start to first answer", 200.0, first_answer_ms),
    ]
    .map(|(name, at_most, measured)| Goal::new(name, Limit::AtMost(at_most), measured, 0.0))
}
