//! Checks the database, its signing keys, and the key ring. The checks create nothing.

use std::collections::BTreeSet;
use std::path::Path;

use crate::actions::context::Context;
use crate::actions::signing_keys::rotate::SigningRules;
use crate::actions::upkeep::follow_database_clock::follow_database_clock;
use crate::cli::database;
use crate::cli::failure::Failure;
use crate::config::{Config, DatabaseUrl};
use crate::db::engine::error::DbError;
use crate::db::engine::migrate::MigrationState;
use crate::db::keys::signing_keys;
use crate::db::resources;
use crate::diagnose::doctor::finding::Findings;
use crate::rules::authorization::resource::Resource;
use crate::rules::token::signing_period::{SigningState, kept_for};
use crate::{key_ring, sealing, signing};

/// Facts from the database that later checks need.
#[derive(Debug, Default)]
pub struct Stored {
    pub resources: Vec<Resource>,
    /// IDs of the signing keys that a server on this database publishes; `None` if they cannot be
    /// read.
    pub kids: Option<BTreeSet<String>>,
}

pub async fn examine(config: &Config, findings: &mut Findings) -> Result<Stored, Failure> {
    let declared = config.resources.declared.iter().map(|resource| resource.uri.clone());
    let mut known = Stored { resources: declared.collect(), kids: None };
    if let DatabaseUrl::Sqlite(path) = &config.database.url
        && !path.exists()
    {
        let message = format!("the file {} does not exist", path.display());
        findings.problem(
            "database",
            message,
            "start the server once, with the same settings and in the same folder",
        );
        return Ok(known);
    }
    let context = database::open_any_schema(config)?;
    match look(&context, config, findings).await {
        Ok(stored) => {
            known.resources.extend(stored.resources);
            known.kids = stored.kids;
        }
        Err(error) => {
            let message = format!("{} cannot be used: {error}", config.database.url);
            findings.problem(
                "database",
                message,
                "check that it runs and that `database.url` is correct",
            );
        }
    }
    Ok(known)
}

async fn look(
    context: &Context,
    config: &Config,
    findings: &mut Findings,
) -> Result<Stored, DbError> {
    context.db.check_sessions().await?;
    context.db.ping().await?;
    findings.ok("database", format!("{} responds", config.database.url));
    clock(context, findings).await?;
    match context.db.migration_state().await {
        Ok(MigrationState::UpToDate) => findings.ok("migrations", "the schema is up to date"),
        Ok(MigrationState::Behind) => {
            findings.problem(
                "migrations",
                "the schema is out of date",
                "run `grantor migrate up`, or start the server",
            );
            return Ok(Stored::default());
        }
        Ok(MigrationState::Newer(version)) => {
            let message = format!(
                "a newer version extended the schema, up to migration {version}; this version works with it"
            );
            findings.note(
                "migrations",
                message,
                "finish the upgrade: run the newer version everywhere",
            );
        }
        Ok(MigrationState::Incompatible { minimum }) => {
            let message = format!("the schema requires a version that knows migration {minimum}");
            findings.problem(
                "migrations",
                message,
                "run the newer version, or restore a backup from before the upgrade",
            );
            return Ok(Stored::default());
        }
        Err(error) => {
            findings.problem("migrations", error.to_string(), "run `grantor migrate status`");
            return Ok(Stored::default());
        }
    }
    ring_file(config, findings);
    keys(context, config, findings).await?;
    let resources =
        resources::list(&context.db).await?.into_iter().map(|resource| resource.uri).collect();
    Ok(Stored { resources, kids: Some(published(context, config).await?) })
}

/// IDs of the signing keys that a server publishes.
async fn published(context: &Context, config: &Config) -> Result<BTreeSet<String>, DbError> {
    let now = context.clock.now();
    let kept_for = kept_for(SigningRules::of(config).access_ttl);
    let rows = signing_keys::list(&context.db).await?.into_iter();
    let rows = rows.filter(|row| row.period.ends_at(kept_for).is_none_or(|end| end > now));
    Ok(rows.map(|row| row.id).collect())
}

/// Grantor uses the time of the database, even if the clock of its host is wrong.
async fn clock(context: &Context, findings: &mut Findings) -> Result<(), DbError> {
    let apart = follow_database_clock(context).await?.skew_ms.unsigned_abs();
    match apart {
        0..2_000 => findings.ok("clock", "it agrees with the clock of the database"),
        _ => findings.problem(
            "clock",
            format!("it differs from the clock of the database by {} s", apart / 1000),
            "synchronize both hosts with NTP: Grantor uses the time of the database, and APIs use \
             their own",
        ),
    }
    Ok(())
}

fn ring_file(config: &Config, findings: &mut Findings) {
    let Some(path) = key_ring::file(config) else { return };
    match mode(&path) {
        Ok(0o600 | 0o400) => {
            findings.ok("key ring", format!("only its owner can read {}", path.display()))
        }
        Ok(mode) => {
            let message = format!("other users can read {} (mode {mode:o})", path.display());
            findings.problem("key ring", message, format!("run chmod 600 {}", path.display()));
        }
        Err(error) => {
            let message = format!("{} cannot be read: {error}", path.display());
            findings.problem(
                "key ring",
                message,
                "restore it from a copy, or start the server once if the server is new",
            );
        }
    }
}

#[cfg(unix)]
fn mode(path: &Path) -> std::io::Result<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn mode(path: &Path) -> std::io::Result<u32> {
    std::fs::metadata(path).map(|_| 0o600)
}

async fn keys(context: &Context, config: &Config, findings: &mut Findings) -> Result<(), DbError> {
    if key_ring::file(config).is_some_and(|path| !path.exists()) {
        return Ok(());
    }
    let ring = match key_ring::ring_for(config, &context.random) {
        Ok(ring) => ring,
        Err(error) => {
            findings.problem(
                "key ring",
                error.to_string(),
                "fix it: without it, no token can be signed",
            );
            return Ok(());
        }
    };
    if ring.newest().id() == sealing::DEVELOPMENT {
        let advice = "set `secrets.key`, the same on every server: docs/operate/keys.md, \"From a trial to your own key\"";
        findings.note(
            "key ring",
            "secrets are encrypted with a well-known key, which is for trials only",
            advice,
        );
    }
    let now = context.clock.now();
    let rows = signing_keys::list(&context.db).await?;
    let (mut signing, mut unopened) = (0, 0);
    for row in rows.iter().filter(|row| row.period.state(now) != SigningState::Retired) {
        match signing::open(&ring, row) {
            Ok(_) => signing += usize::from(row.period.state(now) == SigningState::Signs),
            Err(error) => {
                findings.problem(
                    "signing keys",
                    error.to_string(),
                    "run `grantor keys status` to see which keys are needed",
                );
                unopened += 1;
            }
        }
    }
    match signing {
        0 if unopened > 0 => {}
        0 => findings.problem(
            "signing keys",
            "there is no active signing key",
            "start the server, which creates one",
        ),
        _ => {
            findings.ok("signing keys", format!("{} published, and one of them signs", rows.len()))
        }
    }
    Ok(())
}
