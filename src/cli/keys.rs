//! `grantor keys`: the keys that sign tokens, and the key ring that encrypts secrets.

mod revoke;

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::keys::forget_ring_key;
use crate::actions::keys::forget_ring_key::ForgottenWithKey;
use crate::actions::keys::reseal;
use crate::actions::keys::rotate_signing_keys;
use crate::actions::keys::rotate_signing_keys::TakeOver;
use crate::cli::output::Output;
use crate::cli::{Failure, block_on, database, output};
use crate::config::{Config, Loaded};
use crate::db::keys::ring_usage::RingUsage;
use crate::db::keys::signing_keys::SigningKey;
use crate::db::keys::{ring_usage, signing_keys};
use crate::key_ring::ring_for_database;
use crate::rules::timestamp::Timestamp;
use crate::rules::token::signing_period::kept_for;
use crate::sealing::KeyRing;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a signing key. It is published for ten minutes before it signs. Tokens of older keys stay valid.
    Rotate {
        /// Use it for signing at once. If an older key leaked, use `keys revoke`, which also
        /// withdraws that key.
        #[arg(long)]
        now: bool,
    },
    /// Revoke a signing key that leaked: servers refuse its tokens within 30 seconds, and another key signs at once.
    Revoke {
        /// ID of the key or its unique beginning; `keys status` shows it.
        #[arg(value_name = "KID", allow_hyphen_values = true)]
        kid: String,
    },
    /// Encrypt all stored secrets again with the newest key of the ring. Servers keep running.
    ReEncrypt,
    /// Delete the webhooks, auth methods and variables that a lost key of the ring encrypts.
    Forget {
        /// ID of the key; `keys status` shows it.
        #[arg(value_name = "ID")]
        ring_key: String,
        /// Delete them. Without this flag, the command only lists what it would delete.
        #[arg(long)]
        yes: bool,
    },
    /// Show the keys of the ring and what each encrypts, and the signing keys and their states.
    Status,
}

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    block_on(async {
        let context = database::open(&loaded.config).await?;
        let ring = ring_for_database(&loaded.config, &context.random, &context.db).await.map_err(Failure::failed)?;
        match command {
            Command::Rotate { now } => rotate(&context, &ring, &loaded.config, now, output).await,
            Command::Revoke { kid } => revoke::revoke(&context, &ring, &loaded.config, &kid, output).await,
            Command::ReEncrypt => re_encrypt(&context, &ring, output).await,
            Command::Forget { ring_key, yes } => forget(&context, &ring, &ring_key, yes, output).await,
            Command::Status => status(&context, &ring, &loaded.config, output).await,
        }
    })
}

async fn rotate(context: &Context, ring: &KeyRing, config: &Config, now: bool, output: Output) -> Result<(), Failure> {
    let take_over = if now { TakeOver::Now } else { TakeOver::Published };
    let algorithm = config.tokens.signing_algorithm;
    let key = rotate_signing_keys::rotate_signing_keys(context, ring, algorithm, take_over, &AuditActor::COMMAND_LINE)
        .await
        .map_err(Failure::failed)?;
    let signs_from = key.period.signs_from.to_rfc3339();
    let shown = json!({"id": key.id, "algorithm": key.algorithm, "signs_from": signs_from});
    output::item(output, &shown, || format!("{} signs from {signs_from}; servers see it within 30 seconds", key.id))
}

/// A key of the ring, or a key that is missing from the ring although rows need it.
#[derive(Serialize)]
struct RingKeyRow {
    id: String,
    /// `newest`, `older` or `missing`.
    place: &'static str,
    #[serde(flatten)]
    usage: RingUsage,
}

#[derive(Serialize)]
struct SigningKeyRow {
    id: String,
    algorithm: &'static str,
    state: &'static str,
    ring_key: String,
    signs_from: String,
    retired_at: Option<String>,
    published_until: Option<String>,
}

const RING_COLUMNS: [&str; 7] =
    ["id", "place", "signing_keys", "auth_methods", "webhooks", "webhook_variables", "families"];
const SIGNING_COLUMNS: [&str; 7] =
    ["id", "algorithm", "state", "ring_key", "signs_from", "retired_at", "published_until"];

async fn status(context: &Context, ring: &KeyRing, config: &Config, output: Output) -> Result<(), Failure> {
    let used = ring_rows(ring, ring_usage::count(&context.db).await?);
    let now = context.clock.now();
    let kept_for = kept_for(i64::try_from(config.tokens.access_ttl).unwrap_or(i64::MAX));
    let keys = signing_keys::list(&context.db).await?;
    let keys: Vec<SigningKeyRow> = keys.into_iter().map(|key| signing_key_row(key, now, kept_for)).collect();
    match output {
        Output::Json => output::item(output, &json!({"ring": used, "signing_keys": keys}), String::new),
        Output::Text => {
            output::line("Key ring: what each key encrypts, and how many families of refresh tokens derive from it")?;
            output::list(output, &used, &RING_COLUMNS)?;
            output::line("\nSigning keys")?;
            output::list(output, &keys, &SIGNING_COLUMNS)
        }
    }
}

fn ring_rows(ring: &KeyRing, mut usage: BTreeMap<String, RingUsage>) -> Vec<RingKeyRow> {
    let of_ring = ring.keys().enumerate().map(|(index, key)| RingKeyRow {
        id: key.id().to_owned(),
        place: if index == 0 { "newest" } else { "older" },
        usage: usage.remove(key.id()).unwrap_or_default(),
    });
    let mut shown: Vec<RingKeyRow> = of_ring.collect();
    shown.extend(usage.into_iter().map(|(id, usage)| RingKeyRow { id, place: "missing", usage }));
    shown
}

fn signing_key_row(key: SigningKey, now: Timestamp, kept_for: i64) -> SigningKeyRow {
    SigningKeyRow {
        algorithm: key.algorithm.name(),
        state: key.period.state(now).name(),
        signs_from: key.period.signs_from.to_rfc3339(),
        retired_at: key.period.retired_at.map(Timestamp::to_rfc3339),
        published_until: key.period.ends_at(kept_for).map(Timestamp::to_rfc3339),
        id: key.id,
        ring_key: key.key_id,
    }
}

async fn re_encrypt(context: &Context, ring: &KeyRing, output: Output) -> Result<(), Failure> {
    let done = reseal::reseal(context, ring, show_progress).await?;
    let mut left = ring_rows(ring, ring_usage::count(&context.db).await?);
    left.retain(|key| key.place != "newest");
    let shown = json!({"resealed": done.resealed, "unopened": done.unopened, "left": left});
    output::item(output, &shown, || {
        let mut lines = vec![format!("encrypted again with {}: {}", ring.newest().id(), done.resealed)];
        if done.unopened > 0 {
            lines.push(format!("could not be decrypted with this ring and were left unchanged: {}", done.unopened));
        }
        lines.extend(left.iter().map(key_advice));
        lines.join("\n")
    })
}

async fn forget(context: &Context, ring: &KeyRing, key: &str, yes: bool, output: Output) -> Result<(), Failure> {
    if !yes {
        let lost = forget_ring_key::find_lost(context, ring, key).await.map_err(Failure::failed)?;
        let lost = RingUsage { signing_keys: 0, ..lost }.describe_sealed();
        return Err(Failure::usage(format!(
            "this deletes {lost}, the webhooks that use these auth methods, and their waiting \
             deliveries. Their organizations must create them again. Take a backup, then run this \
             again with --yes"
        )));
    }
    let gone = forget_ring_key::forget_ring_key(context, ring, key, &AuditActor::COMMAND_LINE)
        .await
        .map_err(Failure::failed)?;
    output::item(output, &gone, || {
        let ForgottenWithKey { auth_methods, webhooks, webhook_variables } = gone;
        let usage = RingUsage { auth_methods, webhooks, webhook_variables, ..RingUsage::default() };
        format!("deleted {}", usage.describe_sealed())
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
            format!("{id}: missing from the ring; it encrypts {sealed}, and no server starts without it")
        }
        RingUsage { .. } => {
            format!("{id}: missing from the ring; it encrypts {sealed}, which can verify tokens but not sign them")
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
