//! What was tried, step by step, and how it went.

use std::time::Duration;

use serde::Serialize;

use crate::cli::output::Output;
use crate::cli::{Failure, output};
use crate::clock::Clock;
use crate::diagnose::probe::Fault;
use crate::outgoing::OutgoingError;

pub enum Trouble {
    Wrong(Fault),
    /// A step before it has not given what it needs.
    NotTried,
}

/// What a step that went well saw.
pub type Outcome = Result<String, Trouble>;

pub fn wrong(said: impl Into<String>, trips: &'static str) -> Trouble {
    Trouble::Wrong(Fault::new(said, trips))
}

impl From<OutgoingError> for Trouble {
    fn from(error: OutgoingError) -> Self {
        wrong(error.to_string(), crate::diagnose::probe::ALL_CLIENTS)
    }
}

/// What an earlier step has found.
pub fn needed<T>(found: &Option<T>) -> Result<&T, Trouble> {
    found.as_ref().ok_or(Trouble::NotTried)
}

#[derive(Serialize)]
pub struct Step {
    pub step: &'static str,
    /// Null: it was not tried.
    pub ok: Option<bool>,
    pub took_ms: u64,
    pub said: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trips: Option<&'static str>,
}

pub struct Report {
    clock: Clock,
    output: Output,
    pub steps: Vec<Step>,
}

impl Report {
    pub fn new(output: Output) -> Self {
        Self { clock: Clock::system(), output, steps: Vec::new() }
    }

    /// Does the step and says how it went, at once where a person watches.
    pub async fn watch(&mut self, step: &'static str, doing: impl Future<Output = Outcome>) -> Result<(), Failure> {
        let started = self.clock.elapsed();
        let outcome = doing.await;
        let took = self.clock.elapsed().saturating_sub(started);
        self.add(step, took, outcome)
    }

    fn add(&mut self, step: &'static str, took: Duration, outcome: Outcome) -> Result<(), Failure> {
        let (ok, said, trips) = match outcome {
            Ok(said) => (Some(true), said, None),
            Err(Trouble::Wrong(Fault { said, trips })) => (Some(false), said, Some(trips)),
            Err(Trouble::NotTried) => (None, "not tried: a step before it went wrong".to_owned(), None),
        };
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let step = Step { step, ok, took_ms, said, trips };
        if self.output == Output::Text {
            output::line(&step.as_text())?;
        }
        self.steps.push(step);
        Ok(())
    }

    pub fn wrong(&self) -> usize {
        self.steps.iter().filter(|step| step.ok != Some(true)).count()
    }
}

impl Step {
    fn as_text(&self) -> String {
        let Self { step, took_ms, said, .. } = self;
        let mark = match self.ok {
            Some(true) => "ok",
            Some(false) => "WRONG",
            None => "-",
        };
        let trips = self.trips.map(|trips| format!("\n{:15}trips up {trips}", "")).unwrap_or_default();
        format!("{mark:5} {took_ms:5} ms {step}: {said}{trips}")
    }
}
