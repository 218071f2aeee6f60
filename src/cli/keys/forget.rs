//! `grantor keys forget`: deletes what a lost key of the ring encrypts.

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::sealing_keys::forget;
use crate::actions::sealing_keys::forget::ForgottenWithKey;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::Output;
use crate::db::keys::ring_usage::RingUsage;

pub async fn forget(
    context: &Context,
    key: &str,
    yes: bool,
    output: Output,
) -> Result<(), Failure> {
    if !yes {
        let lost = forget::find_lost(context, key).await.map_err(Failure::failed)?;
        let lost = RingUsage { signing_keys: 0, ..lost }.describe_sealed();
        return Err(Failure::usage(format!(
            "this deletes {lost}, the webhooks that use these auth methods, and their waiting \
             deliveries. Their organizations must create them again. Take a backup, then run this \
             again with --yes"
        )));
    }
    let gone = forget::forget_ring_key(context, key, &AuditActor::COMMAND_LINE)
        .await
        .map_err(Failure::failed)?;
    output::item(output, &gone, || {
        let ForgottenWithKey { auth_methods, webhooks, webhook_variables } = gone;
        let usage = RingUsage { auth_methods, webhooks, webhook_variables, ..RingUsage::default() };
        format!("deleted {}", usage.describe_sealed())
    })
}
