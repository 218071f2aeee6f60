//! `grantor selftest`: runs all steps of an MCP client at the public URL of a running server.

mod browser;
mod discovery;
mod form;
mod journey;
mod policy;
mod report;
mod sign_in;
mod stage;
mod tokens;

use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::actions::context::Context;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::runtime::block_on;
use crate::cli::{database, output};
use crate::config::Loaded;
use crate::diagnose::selftest::journey::Journey;
use crate::diagnose::selftest::report::Report;
use crate::diagnose::selftest::stage::Stage;
use crate::rules::client::ClientId;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Public URL of the server, exactly as clients see it. Defaults to `http.public_url`.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

pub fn run(arguments: Arguments, loaded: Loaded, output: Output) -> Result<(), Failure> {
    let url = arguments.url.unwrap_or_else(|| loaded.config.http.public_url.clone());
    let report = block_on(async {
        let context = database::open(&loaded.config).await?;
        let tokens = &loaded.config.tokens;
        test(&context, &url, tokens.refresh_grace.max(tokens.refresh_repeat), output).await
    })?;
    let (steps, wrong) = (report.steps.len(), report.wrong());
    if output == Output::Json {
        output::item(
            output,
            &json!({"url": url, "ok": wrong == 0, "steps": report.steps}),
            String::new,
        )?;
    }
    match wrong {
        0 if output == Output::Text => output::line(&format!("all {steps} steps passed at {url}")),
        0 => Ok(()),
        wrong => Err(Failure::Problem(format!("{wrong} of {steps} steps failed at {url}"))),
    }
}

/// Runs the test, and removes what it created even if it fails or is stopped.
async fn test(context: &Context, url: &str, grace: u64, output: Output) -> Result<Report, Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let stage = Stage::set_up(context).await?;
    let mut journey = Journey::new(url, &stage, context, grace);
    let mut report = Report::new(output);
    let outcome = tokio::select! {
        outcome = journey.travel(&mut report) => outcome,
        _ = tokio::signal::ctrl_c() => Err(Failure::Failed("stopped".to_owned())),
        _ = terminate.recv() => Err(Failure::Failed("stopped".to_owned())),
    };
    let client_id = journey.client_id.as_deref().and_then(|id| ClientId::parse(id).ok());
    stage.take_down(context, client_id).await?;
    outcome.map(|()| report)
}
