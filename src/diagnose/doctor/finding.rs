//! Findings of the doctor, with their level and advice.

use serde::Serialize;

use crate::diagnose::probe::Fault;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Ok,
    Note,
    Problem,
}

#[derive(Debug, Serialize)]
pub struct Finding {
    pub about: &'static str,
    pub level: Level,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

#[derive(Debug, Default)]
pub struct Findings {
    pub all: Vec<Finding>,
}

impl Findings {
    pub fn ok(&mut self, about: &'static str, message: impl Into<String>) {
        self.all.push(Finding { about, level: Level::Ok, message: message.into(), advice: None });
    }

    pub fn note(
        &mut self,
        about: &'static str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.all.push(Finding {
            about,
            level: Level::Note,
            message: message.into(),
            advice: Some(advice.into()),
        });
    }

    pub fn problem(
        &mut self,
        about: &'static str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.all.push(Finding {
            about,
            level: Level::Problem,
            message: message.into(),
            advice: Some(advice.into()),
        });
    }

    /// Adds a problem that affects clients.
    pub fn fault(&mut self, about: &'static str, fault: Fault, advice: &str) {
        self.problem(about, format!("{}; this affects {}", fault.message, fault.affects), advice);
    }

    /// Adds a fault, or a finding that all is well.
    pub fn judge(
        &mut self,
        about: &'static str,
        good: &str,
        outcome: Result<(), Fault>,
        advice: &str,
    ) {
        match outcome {
            Ok(()) => self.ok(about, good),
            Err(fault) => self.fault(about, fault, advice),
        }
    }

    pub fn count(&self, level: Level) -> usize {
        self.all.iter().filter(|finding| finding.level == level).count()
    }

    pub fn as_text(&self) -> String {
        self.all.iter().map(Finding::as_text).collect::<Vec<_>>().join("\n")
    }
}

impl Finding {
    fn as_text(&self) -> String {
        let Self { about, level, message, advice } = self;
        let mark = match level {
            Level::Ok => "ok",
            Level::Note => "note",
            Level::Problem => "PROBLEM",
        };
        let advice =
            advice.as_ref().map(|advice| format!("\n{:9}-> {advice}", "")).unwrap_or_default();
        format!("{mark:8} {about}: {message}{advice}")
    }
}
