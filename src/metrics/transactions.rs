//! Counts and times the transactions of actions, by name.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Cheap to clone; all clones count together.
#[derive(Clone, Debug)]
pub struct TransactionMetrics {
    attempts: Family<AttemptLabels, Counter>,
    durations: Family<NameLabels, Histogram, fn() -> Histogram>,
}

/// How one attempt of a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    Committed,
    /// The work failed or was refused.
    RolledBack,
    /// It conflicted with another transaction. Another attempt may follow.
    Conflict,
    /// It could not begin or commit.
    Failed,
}

impl AttemptOutcome {
    const fn label(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::RolledBack => "rolled_back",
            Self::Conflict => "conflict",
            Self::Failed => "failed",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    transaction: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NameLabels {
    transaction: &'static str,
}

/// From a millisecond, a typical transaction, to the five seconds after which a query times out.
const DURATIONS: [f64; 6] = [0.001, 0.005, 0.025, 0.1, 0.5, 5.0];

impl Default for TransactionMetrics {
    fn default() -> Self {
        Self {
            attempts: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
        }
    }
}

impl TransactionMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "transaction_attempts",
            "Attempts to run a database transaction, by its name and by outcome",
            self.attempts.clone(),
        );
        registry.register_with_unit(
            "transaction_duration",
            "Time that a database transaction took with its retries, by its name",
            Unit::Seconds,
            self.durations.clone(),
        );
    }

    pub fn attempt(&self, transaction: &'static str, outcome: AttemptOutcome) {
        self.attempts.get_or_create(&AttemptLabels { transaction, outcome: outcome.label() }).inc();
    }

    /// `took` is the time of all attempts.
    pub fn finished(&self, transaction: &'static str, took: Duration) {
        self.durations.get_or_create(&NameLabels { transaction }).observe(took.as_secs_f64());
    }
}
