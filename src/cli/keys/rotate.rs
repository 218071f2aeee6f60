//! `grantor keys rotate`: creates a signing key.

use serde_json::json;

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::signing_keys::rotate;
use crate::actions::signing_keys::rotate::TakeOver;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::Output;
use crate::config::Config;

pub async fn rotate(
    context: &Context,
    config: &Config,
    now: bool,
    output: Output,
) -> Result<(), Failure> {
    let take_over = if now { TakeOver::Now } else { TakeOver::Published };
    let algorithm = config.tokens.signing_algorithm;
    let key = rotate::rotate_signing_keys(context, algorithm, take_over, &AuditActor::COMMAND_LINE)
        .await
        .map_err(Failure::failed)?;
    let signs_from = key.period.signs_from.to_rfc3339();
    let shown = json!({"id": key.id, "algorithm": key.algorithm, "signs_from": signs_from});
    output::item(output, &shown, || {
        format!("{} signs from {signs_from}; servers see it within 30 seconds", key.id)
    })
}
