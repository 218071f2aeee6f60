//! `grantor app secret`: creates, replaces and ends the secret of an app.

use clap::Subcommand;
use serde_json::json;

use crate::actions::audit::AuditActor;
use crate::actions::clients::private::secrets::{
    MadeSecret, end_previous_secret, generate_secret, regenerate_secret,
};
use crate::actions::context::Context;
use crate::cli::app::Target;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::Output;
use crate::config::Loaded;
use crate::db::clients::secrets;
use crate::rules::timestamp::Timestamp;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create the first secret. It is shown only once.
    Create(Target),
    /// Replace the secret. Tokens and grants stay.
    Regenerate {
        #[command(flatten)]
        target: Target,
        /// How long the previous secret works too, such as 24h or 7d. By default it ends at once.
        #[arg(long, value_name = "TIME", value_parser = seconds)]
        overlap: Option<i64>,
    },
    /// End the previous secret before its time.
    End(Target),
}

fn seconds(text: &str) -> Result<i64, String> {
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let unit = match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3_600),
        "d" => Some(86_400),
        _ => None,
    };
    let seconds = number.parse().ok().zip(unit).and_then(|(number, unit): (u32, i64)| {
        i64::from(number).checked_mul(unit).filter(|seconds| *seconds > 0)
    });
    seconds.ok_or_else(|| "write a time such as 30m, 24h or 7d".to_owned())
}

pub async fn run(
    context: &Context,
    loaded: &Loaded,
    command: Command,
    output: Output,
) -> Result<(), Failure> {
    let by = &AuditActor::COMMAND_LINE;
    match command {
        Command::Create(target) => {
            let (org, client) = target.find(context).await?;
            let made =
                generate_secret(context, org.id, client.id, by).await.map_err(Failure::failed)?;
            show_secret(&made, output)
        }
        Command::Regenerate { target, overlap } => {
            let (org, client) = target.find(context).await?;
            let max = loaded.config.partners.secret_overlap_max;
            if overlap.is_some_and(|overlap| overlap.unsigned_abs() > max) {
                return Err(Failure::Usage(format!(
                    "the overlap is longer than {max} seconds, which `partners.secret_overlap_max` allows"
                )));
            }
            let until = overlap.map(|overlap| context.clock.now().plus(overlap));
            let made = regenerate_secret(context, org.id, client.id, until, by)
                .await
                .map_err(Failure::failed)?;
            show_secret(&made, output)
        }
        Command::End(target) => {
            let (org, client) = target.find(context).await?;
            let live = secrets::list_live(&context.db, &[client.id], context.clock.now()).await?;
            let Some(previous) = live.iter().find(|secret| secret.expires_at.is_some()) else {
                return Err(Failure::failed("this app has no previous secret"));
            };
            end_previous_secret(context, org.id, client.id, previous.id, by)
                .await
                .map_err(Failure::failed)?;
            output::item(output, &json!({"id": previous.id, "ended": true}), || {
                format!("The secret ending in {} has ended.", previous.last_four)
            })
        }
    }
}

fn show_secret(made: &MadeSecret, output: Output) -> Result<(), Failure> {
    let previous_ends = made.previous.as_ref().and_then(|previous| previous.expires_at);
    let shown = json!({
        "id": made.stored.id,
        "client_id": made.stored.client_id,
        "client_secret": made.secret.expose(),
        "previous_ends_at": previous_ends.map(Timestamp::to_rfc3339),
    });
    output::item(output, &shown, || {
        let end = previous_ends
            .map(|at| format!(" The previous secret works until {}.", at.to_rfc3339()));
        format!(
            "Client ID      {}\nClient secret  {}\n\nThe secret is shown only once.{}",
            made.stored.client_id,
            made.secret.expose(),
            end.unwrap_or_default()
        )
    })
}
