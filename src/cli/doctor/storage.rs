//! The database, the keys in it, and the ring that seals them. Nothing is made here that is not there.

use std::collections::BTreeSet;
use std::path::Path;

use super::finding::Findings;
use crate::actions::{Context, SigningRules, follow_database_clock};
use crate::cli::{Failure, database};
use crate::config::{Config, DatabaseUrl};
use crate::db::{DbError, MigrationState, resources, signing_keys};
use crate::key_ring;
use crate::oauth::resource::Resource;
use crate::oauth::signing_period::{SigningState, kept_for};
use crate::{sealing, signing};

/// What the database knows.
#[derive(Debug, Default)]
pub struct Stored {
    pub resources: Vec<Resource>,
    /// The signing keys that a server on this database publishes. `None`: they cannot be read.
    pub kids: Option<BTreeSet<String>>,
}

pub async fn examine(config: &Config, findings: &mut Findings) -> Result<Stored, Failure> {
    let declared = config.resources.declared.iter().map(|resource| resource.uri.clone());
    let mut known = Stored { resources: declared.collect(), kids: None };
    if let DatabaseUrl::Sqlite(path) = &config.database.url
        && !path.exists()
    {
        let said = format!("there is no file {}", path.display());
        findings.problem("database", said, "start the server once, on the same settings and in the same folder");
        return Ok(known);
    }
    let context = database::open_any_schema(config)?;
    match look(&context, config, findings).await {
        Ok(stored) => {
            known.resources.extend(stored.resources);
            known.kids = stored.kids;
        }
        Err(error) => {
            let said = format!("{} cannot be used: {error}", config.database.url);
            findings.problem("database", said, "see that it runs, and that `database.url` is right");
        }
    }
    Ok(known)
}

async fn look(context: &Context, config: &Config, findings: &mut Findings) -> Result<Stored, DbError> {
    context.db.check_sessions().await?;
    context.db.ping().await?;
    findings.ok("database", format!("{} answers", config.database.url));
    clock(context, findings).await?;
    match context.db.migration_state().await {
        Ok(MigrationState::UpToDate) => findings.ok("migrations", "the schema is up to date"),
        Ok(MigrationState::Behind) => {
            findings.problem("migrations", "some are missing", "run `grantor migrate up`, or start the server");
            return Ok(Stored::default());
        }
        Ok(MigrationState::Newer(version)) => {
            let said =
                format!("a newer version added to the schema, up to migration {version}; this version works on it");
            findings.note("migrations", said, "finish the upgrade: run the newer version everywhere");
        }
        Ok(MigrationState::Incompatible { minimum }) => {
            let said = format!("the schema requires a version that knows migration {minimum}");
            findings.problem("migrations", said, "run the newer version, or restore a backup from before the upgrade");
            return Ok(Stored::default());
        }
        Err(error) => {
            findings.problem("migrations", error.to_string(), "see `grantor migrate status`");
            return Ok(Stored::default());
        }
    }
    ring_file(config, findings);
    keys(context, config, findings).await?;
    let resources = resources::list(&context.db).await?.into_iter().map(|resource| resource.uri).collect();
    Ok(Stored { resources, kids: Some(published(context, config).await?) })
}

/// As a server publishes them.
async fn published(context: &Context, config: &Config) -> Result<BTreeSet<String>, DbError> {
    let (now, kept_for) = (context.clock.now(), kept_for(SigningRules::of(config).access_ttl));
    let rows = signing_keys::list(&context.db).await?.into_iter();
    let rows = rows.filter(|row| row.period.ends_at(kept_for).is_none_or(|end| end > now));
    Ok(rows.map(|row| row.id).collect())
}

/// Grantor uses the database's time, also on a host whose own clock is wrong.
async fn clock(context: &Context, findings: &mut Findings) -> Result<(), DbError> {
    let apart = follow_database_clock(context).await?.skew_ms.unsigned_abs();
    match apart {
        0..2_000 => findings.ok("clock", "it agrees with the database's"),
        _ => findings.problem(
            "clock",
            format!("it is {} s away from the database's", apart / 1000),
            "synchronize both hosts with NTP: Grantor uses the database's time, and APIs compare it with their own",
        ),
    }
    Ok(())
}

fn ring_file(config: &Config, findings: &mut Findings) {
    let Some(path) = key_ring::file(config) else { return };
    match mode(&path) {
        Ok(0o600 | 0o400) => findings.ok("key ring", format!("{} is its owner's only", path.display())),
        Ok(mode) => {
            let said = format!("{} may be read by others (mode {mode:o})", path.display());
            findings.problem("key ring", said, format!("chmod 600 {}", path.display()));
        }
        Err(error) => {
            let said = format!("{} cannot be read: {error}", path.display());
            findings.problem("key ring", said, "bring it back from its copy, or start the server once where it is new");
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
            findings.problem("key ring", error.to_string(), "mend it: without it no token can be signed");
            return Ok(());
        }
    };
    if ring.newest().id() == sealing::DEVELOPMENT {
        let advice =
            "set `secrets.key`, the same on every server: docs/operate/keys.md, \"From a trial to your own key\"";
        findings.note("key ring", "what is sealed opens with a key that everybody knows, which is for trials", advice);
    }
    let now = context.clock.now();
    let rows = signing_keys::list(&context.db).await?;
    let (mut signing, mut unopened) = (0, 0);
    for row in rows.iter().filter(|row| row.period.state(now) != SigningState::Retired) {
        match signing::open(&ring, row) {
            Ok(_) => signing += usize::from(row.period.state(now) == SigningState::Signs),
            Err(error) => {
                findings.problem("signing keys", error.to_string(), "`grantor keys status` shows who needs which key");
                unopened += 1;
            }
        }
    }
    match signing {
        0 if unopened > 0 => {}
        0 => findings.problem("signing keys", "no key signs", "start the server, which makes one"),
        _ => findings.ok("signing keys", format!("{} published, and one signs", rows.len())),
    }
    Ok(())
}
