//! `grantor client disable` and `grantor client enable`.

use clap::Args;
use serde_json::json;

use crate::actions::audit::AuditActor;
use crate::actions::clients::disable_client::{disable_client, enable_client};
use crate::actions::context::Context;
use crate::actions::grants::revoked_grants::RevokedAccess;
use crate::cli::arguments::app::AppTarget;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::effect::last_token;
use crate::cli::output::{Output, counted, quoted};
use crate::rules::client::disabled_reason::DisabledReason;
use crate::rules::timestamp::Timestamp;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: AppTarget,
    /// Why, in one line of at most 300 characters. People who try to authorize the app see it.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

pub async fn disable(
    context: &Context,
    arguments: &Arguments,
    output: Output,
) -> Result<(), Failure> {
    let reason = DisabledReason::parse(&arguments.reason)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let (org, app) = arguments.target.find(context).await?;
    let id = app.client.id;
    let by = &AuditActor::COMMAND_LINE;
    let ended =
        disable_client(context, org.id, id, reason.clone(), by).await.map_err(Failure::failed)?;
    let RevokedAccess { grants, last_token_ends_at } = ended;
    let done = json!({
        "id": id,
        "org": org.name,
        "disabled": true,
        "reason": reason,
        "grants_ended": grants,
        "last_token_expires_at": last_token_ends_at.map(Timestamp::to_rfc3339),
    });
    output::sentences(output, &done, || {
        let name = quoted(app.client.metadata.client_name().as_str());
        let people = counted(grants as u64, "person", "people");
        let mut sentences = vec![
            format!("{name} ({id}) is disabled in {}.", quoted(&org.name)),
            format!("Access ended for {people}."),
        ];
        sentences.extend(last_token(last_token_ends_at, context.clock.now(), "its last tokens"));
        sentences
    })
}

pub async fn enable(context: &Context, target: &AppTarget, output: Output) -> Result<(), Failure> {
    let (org, app) = target.find(context).await?;
    let id = app.client.id;
    enable_client(context, org.id, id, &AuditActor::COMMAND_LINE).await.map_err(Failure::failed)?;
    let done = json!({"id": id, "org": org.name, "disabled": false});
    output::sentences(output, &done, || {
        let name = quoted(app.client.metadata.client_name().as_str());
        vec![format!(
            "{name} ({id}) is enabled in {}. Users can authorize it again.",
            quoted(&org.name)
        )]
    })
}
