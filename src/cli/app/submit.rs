//! `grantor app submit` and `grantor app withdraw`: versions of an app for review.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};

use crate::actions::audit::AuditActor;
use crate::actions::clients::publishing::PublishingError;
use crate::actions::clients::publishing::submit::{Submitting, submit_version};
use crate::actions::clients::publishing::withdraw::withdraw_version;
use crate::actions::context::Context;
use crate::cli::app::{Target, usage};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::Output;
use crate::rules::client::submission::Submission;
use crate::rules::scope::catalog::ScopeCatalog;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
    /// What the reviewer should know.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Why the app needs a private scope. Required for each of them.
    #[arg(long = "reason", value_name = "SCOPE=TEXT")]
    reasons: Vec<String>,
}

impl Arguments {
    fn submission(&self) -> Result<Submission, Failure> {
        let mut reasons = BTreeMap::new();
        for text in &self.reasons {
            let (scope, reason) = text
                .split_once('=')
                .ok_or_else(|| Failure::Usage("write a reason as SCOPE=TEXT".to_owned()))?;
            reasons.insert(scope, reason);
        }
        let members: [(String, Value); 2] =
            [("note".to_owned(), json!(self.note)), ("scope_reasons".to_owned(), json!(reasons))];
        Submission::parse(&members).map_err(|error| usage(&error))
    }
}

pub async fn run(
    context: &Context,
    catalog: &ScopeCatalog,
    arguments: Arguments,
    output: Output,
) -> Result<(), Failure> {
    let submission = &arguments.submission()?;
    let (org, client) = arguments.target.find(context).await?;
    let submitting = Submitting { org_id: org.id, client_id: client.id, submission, catalog };
    let by = &AuditActor::COMMAND_LINE;
    let submitted = submit_version(context, submitting, by).await.map_err(failed)?;
    let version = &submitted.version;
    let secret = submitted.secret.as_ref().map(|secret| secret.expose().to_owned());
    let shown = json!({
        "version_id": version.id,
        "number": version.number,
        "state": version.state.as_str(),
        "client_id": version.published_client_id,
        "client_secret": secret,
    });
    output::item(output, &shown, || {
        let first = format!("Version {} is submitted for review.", version.number);
        match &secret {
            None => first,
            Some(secret) => format!(
                "{first}\n\nClient ID      {}\nClient secret  {secret}\n\nThey work once a reviewer has approved the \
                 version. The secret is shown only once.",
                version.published_client_id
            ),
        }
    })
}

pub async fn withdraw(context: &Context, target: &Target, output: Output) -> Result<(), Failure> {
    let (org, client) = target.find(context).await?;
    let by = &AuditActor::COMMAND_LINE;
    let version = withdraw_version(context, org.id, client.id, by).await.map_err(failed)?;
    let shown = json!({"version_id": version.id, "number": version.number, "state": "withdrawn"});
    output::item(output, &shown, || format!("Version {} is withdrawn.", version.number))
}

pub(super) fn failed(error: PublishingError) -> Failure {
    match error {
        PublishingError::NotAPartner => Failure::failed(
            "this organization is not an approved partner: run `grantor partner approve`",
        ),
        error => Failure::failed(error),
    }
}
