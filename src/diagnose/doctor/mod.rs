//! `grantor doctor`: checks the settings, the database, the server at its public URL, and an MCP
//! server that uses it, and advises how to fix each problem.

mod finding;
mod mcp_server;
mod members;
mod protected;
mod public;
mod settings;
mod storage;

use clap::Args;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::Output;
use crate::cli::runtime::block_on;
use crate::config::Loaded;
use crate::diagnose::doctor::finding::{Findings, Level};
use crate::diagnose::probe::Probe;

#[derive(Debug, Args)]
pub struct Arguments {
    /// URL of the server. Defaults to `http.public_url`.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// URL of an MCP server or an API. Checks whether its clients find this authorization server.
    #[arg(long, value_name = "URL")]
    mcp_server: Option<String>,
}

pub fn run(
    arguments: Arguments,
    load: impl FnOnce() -> Result<Loaded, Failure>,
    output: Output,
) -> Result<(), Failure> {
    let mut findings = Findings::default();
    match load() {
        Ok(loaded) => block_on(examine(&arguments, &loaded, &mut findings))?,
        Err(Failure::Failed(text)) => findings.problem(
            "settings",
            text,
            "fix them; `grantor config example` explains each setting",
        ),
        Err(other) => return Err(other),
    }
    let problems = findings.count(Level::Problem);
    let shown = json!({"ok": problems == 0, "findings": findings.all});
    output::item(output, &shown, || findings.as_text())?;
    match problems {
        0 => Ok(()),
        1 => Err(Failure::Problem("1 problem was found".to_owned())),
        more => Err(Failure::Problem(format!("{more} problems were found"))),
    }
}

async fn examine(
    arguments: &Arguments,
    loaded: &Loaded,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let config = &loaded.config;
    let url = arguments.url.as_deref().unwrap_or(&config.http.public_url);
    settings::examine(loaded, findings);
    let stored = storage::examine(config, findings).await?;
    let probe = Probe::for_operator();
    public::examine(&probe, config, url, &stored, findings).await;
    if let Some(mcp_server) = &arguments.mcp_server {
        mcp_server::examine(&probe, loaded, &stored.resources, mcp_server, findings).await;
    }
    Ok(())
}
