//! The report: the steps and their outcomes.

use std::time::Duration;

use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::Output;
use crate::clock::Clock;
use crate::diagnose::probe::Fault;
use crate::outgoing::OutgoingError;

pub enum Trouble {
    Wrong(Fault),
    /// An earlier step failed, so the input of this step is missing.
    NotTried,
}

/// The outcome of a step, with a summary if it succeeded.
pub type Outcome = Result<String, Trouble>;

pub fn wrong(message: impl Into<String>, affects: &'static str) -> Trouble {
    Trouble::Wrong(Fault::new(message, affects))
}

impl From<OutgoingError> for Trouble {
    fn from(error: OutgoingError) -> Self {
        wrong(error.to_string(), crate::diagnose::probe::ALL_CLIENTS)
    }
}

/// A result of an earlier step.
pub fn needed<T>(found: &Option<T>) -> Result<&T, Trouble> {
    found.as_ref().ok_or(Trouble::NotTried)
}

#[derive(Serialize)]
pub struct Step {
    pub step: &'static str,
    /// `None` if the step was skipped.
    pub ok: Option<bool>,
    pub took_ms: u64,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affects: Option<&'static str>,
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

    /// Runs a step and adds its outcome, which text output prints at once.
    pub async fn watch(
        &mut self,
        step: &'static str,
        doing: impl Future<Output = Outcome>,
    ) -> Result<(), Failure> {
        let started = self.clock.elapsed();
        let outcome = doing.await;
        let took = self.clock.elapsed().saturating_sub(started);
        self.add(step, took, outcome)
    }

    fn add(&mut self, step: &'static str, took: Duration, outcome: Outcome) -> Result<(), Failure> {
        let (ok, message, affects) = match outcome {
            Ok(message) => (Some(true), message, None),
            Err(Trouble::Wrong(Fault { message, affects })) => {
                (Some(false), message, Some(affects))
            }
            Err(Trouble::NotTried) => (None, "skipped: an earlier step failed".to_owned(), None),
        };
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let step = Step { step, ok, took_ms, message, affects };
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
        let Self { step, took_ms, message, .. } = self;
        let mark = match self.ok {
            Some(true) => "ok",
            Some(false) => "FAIL",
            None => "-",
        };
        let affects =
            self.affects.map(|affects| format!("\n{:15}affects {affects}", "")).unwrap_or_default();
        format!("{mark:5} {took_ms:5} ms {step}: {message}{affects}")
    }
}
