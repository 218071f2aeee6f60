//! `grantor keys`: the keys that sign tokens, and the key ring that seals secrets.

mod revoke;

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use crate::actions::audit::By;
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
        /// Let it sign at once. Use `keys revoke` if an older key leaked: it also withdraws that key.
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
    /// Delete the webhooks, auth methods and variables whose key of the ring is lost.
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
    let key = rotate_signing_keys::rotate_signing_keys(context, ring, algorithm, take_over, &By::COMMAND_LINE)
        .await
        .map_err(Failure::failed)?;
    let signs_from = key.period.signs_from.to_rfc3339();
    let shown = json!({"id": key.id, "algorithm": key.algorithm, "signs_from": signs_from});
    output::one(output, &shown, || format!("{} signs from {signs_from}; servers see it within 30 seconds", key.id))
}

/// A key of the ring, or one that rows need and the ring lacks.
#[derive(Serialize)]
struct ShownRingKey {
    id: String,
    /// `newest`, `older`, or `missing` from the ring.
    place: &'static str,
    #[serde(flatten)]
    usage: RingUsage,
}

#[derive(Serialize)]
struct ShownSigningKey {
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
    let used = shown_ring(ring, ring_usage::count(&context.db).await?);
    let now = context.clock.now();
    let kept_for = kept_for(i64::try_from(config.tokens.access_ttl).unwrap_or(i64::MAX));
    let keys = signing_keys::list(&context.db).await?;
    let keys: Vec<ShownSigningKey> = keys.into_iter().map(|key| shown_signing_key(key, now, kept_for)).collect();
    match output {
        Output::Json => output::one(output, &json!({"ring": used, "signing_keys": keys}), String::new),
        Output::Text => {
            output::line("Key ring: what each key seals, and how many families of refresh tokens derive from it")?;
            output::list(output, &used, &RING_COLUMNS)?;
            output::line("\nSigning keys")?;
            output::list(output, &keys, &SIGNING_COLUMNS)
        }
    }
}

fn shown_ring(ring: &KeyRing, mut usage: BTreeMap<String, RingUsage>) -> Vec<ShownRingKey> {
    let of_ring = ring.keys().enumerate().map(|(index, key)| ShownRingKey {
        id: key.id().to_owned(),
        place: if index == 0 { "newest" } else { "older" },
        usage: usage.remove(key.id()).unwrap_or_default(),
    });
    let mut shown: Vec<ShownRingKey> = of_ring.collect();
    shown.extend(usage.into_iter().map(|(id, usage)| ShownRingKey { id, place: "missing", usage }));
    shown
}

fn shown_signing_key(key: SigningKey, now: Timestamp, kept_for: i64) -> ShownSigningKey {
    ShownSigningKey {
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
    let mut left = shown_ring(ring, ring_usage::count(&context.db).await?);
    left.retain(|key| key.place != "newest");
    let shown = json!({"resealed": done.resealed, "unopened": done.unopened, "left": left});
    output::one(output, &shown, || {
        let mut lines = vec![format!("sealed again under {}: {}", ring.newest().id(), done.resealed)];
        if done.unopened > 0 {
            lines.push(format!("could not be opened with this ring and stay as they are: {}", done.unopened));
        }
        lines.extend(left.iter().map(what_is_left));
        lines.join("\n")
    })
}

async fn forget(context: &Context, ring: &KeyRing, key: &str, yes: bool, output: Output) -> Result<(), Failure> {
    if !yes {
        let lost = forget_ring_key::find_lost(context, ring, key).await.map_err(Failure::failed)?;
        let lost = RingUsage { signing_keys: 0, ..lost }.sealed_in_words();
        return Err(Failure::usage(format!(
            "this removes {lost}, webhooks that use these auth methods, and what waits to be sent to them. Their \
             organisations have to make them again. Take a backup first, and then run it again with --yes"
        )));
    }
    let gone =
        forget_ring_key::forget_ring_key(context, ring, key, &By::COMMAND_LINE).await.map_err(Failure::failed)?;
    output::one(output, &gone, || {
        let ForgottenWithKey { auth_methods, webhooks, webhook_variables } = gone;
        let usage = RingUsage { auth_methods, webhooks, webhook_variables, ..RingUsage::default() };
        format!("removed {}", usage.sealed_in_words())
    })
}

/// Whether a key may be removed from the ring, in words.
fn what_is_left(key: &ShownRingKey) -> String {
    let ShownRingKey { id, usage, place } = key;
    let sealed = usage.sealed_in_words();
    match *usage {
        RingUsage { families: 0, .. } if usage.is_of_nothing() => {
            format!("{id}: nothing needs it; it may be removed from the ring")
        }
        RingUsage { families, .. } if usage.is_of_nothing() => format!(
            "{id}: seals nothing; the refresh tokens of {families} families derive from it until they are used next. They \
             work without it too, but that one of them was stolen may go unnoticed"
        ),
        RingUsage { .. } if *place != "missing" => format!("{id}: seals {sealed}; keep it"),
        RingUsage { .. } if usage.of_orgs() > 0 => {
            format!("{id}: missing from the ring; it seals {sealed}, and no server starts without it")
        }
        RingUsage { .. } => {
            format!("{id}: missing from the ring; it seals {sealed}, which can check tokens and not sign them")
        }
    }
}

/// For somebody who watches.
fn show_progress(done: usize, of: usize) {
    let mut stderr = std::io::stderr();
    if of > 0 && stderr.is_terminal() {
        let end = if done == of { "\n" } else { "" };
        // Nothing is lost where nobody reads it.
        let _ = write!(stderr, "\r{done} of {of}{end}");
        let _ = stderr.flush();
    }
}
