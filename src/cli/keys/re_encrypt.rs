//! `grantor keys re-encrypt`: encrypts all stored secrets again with the newest key of the ring.

use std::io::{IsTerminal as _, Write as _};

use serde_json::json;

use crate::actions::context::Context;
use crate::actions::sealing_keys::re_encrypt;
use crate::cli::failure::Failure;
use crate::cli::keys::status::{RingKeyRow, ring_rows};
use crate::cli::output;
use crate::cli::output::Output;
use crate::db::keys::ring_usage;
use crate::db::keys::ring_usage::RingUsage;

pub async fn re_encrypt(context: &Context, output: Output) -> Result<(), Failure> {
    let done = re_encrypt::re_encrypt(context, show_progress).await?;
    let mut left = ring_rows(&context.ring, ring_usage::count(&context.db).await?);
    left.retain(|key| key.place != "newest");
    let shown = json!({"resealed": done.resealed, "unopened": done.unopened, "left": left});
    output::item(output, &shown, || {
        let mut lines =
            vec![format!("encrypted again with {}: {}", context.ring.newest().id(), done.resealed)];
        if done.unopened > 0 {
            lines.push(format!(
                "could not be decrypted with this ring and were left unchanged: {}",
                done.unopened
            ));
        }
        lines.extend(left.iter().map(key_advice));
        lines.join("\n")
    })
}

/// Describes whether a key can be removed from the ring.
fn key_advice(key: &RingKeyRow) -> String {
    let RingKeyRow { id, usage, place } = key;
    let sealed = usage.describe_sealed();
    match *usage {
        RingUsage { families: 0, .. } if usage.seals_nothing() => {
            format!("{id}: no longer needed; it can be removed from the ring")
        }
        RingUsage { families, .. } if usage.seals_nothing() => format!(
            "{id}: encrypts nothing, but the refresh tokens of {families} families derive from it \
             until they are next used. They work without it, but a stolen one may go unnoticed"
        ),
        RingUsage { .. } if *place != "missing" => format!("{id}: encrypts {sealed}; keep it"),
        RingUsage { .. } if usage.org_secrets() > 0 => {
            format!(
                "{id}: missing from the ring; it encrypts {sealed}, and no server starts without it"
            )
        }
        RingUsage { .. } => {
            format!(
                "{id}: missing from the ring; it encrypts {sealed}, which can verify tokens but not sign them"
            )
        }
    }
}

/// Shows progress if standard error is a terminal.
fn show_progress(done: usize, of: usize) {
    let mut stderr = std::io::stderr();
    if of > 0 && stderr.is_terminal() {
        let end = if done == of { "\n" } else { "" };
        // A failure to write progress does not matter.
        let _ = write!(stderr, "\r{done} of {of}{end}");
        let _ = stderr.flush();
    }
}
