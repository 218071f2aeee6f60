//! `grantor serve`: runs until SIGTERM or Ctrl-C, then finishes what it has.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use crate::actions::audit::By;
use crate::actions::context::Context;
use crate::actions::orgs::bootstrap;
use crate::app::{App, StartError};
use crate::cli::bootstrap::{HOW_TO, first_start_text};
use crate::cli::{Failure, database, output, sqlite_lock};
use crate::config::Loaded;
use crate::db::orgs;
use crate::signing::SigningError;
use crate::{key_ring, telemetry};

pub fn run(loaded: Loaded) -> Result<(), Failure> {
    let _telemetry = telemetry::start(&loaded.config.log.level, loaded.config.log.format).map_err(Failure::failed)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(loaded))
}

async fn serve(loaded: Loaded) -> Result<(), Failure> {
    let url = loaded.config.database.url.to_string();
    let Context { db, clock, random, .. } = database::open_any_schema(&loaded.config)?;
    let _lock = sqlite_lock::lock(&loaded.config)?;
    let ring = key_ring::ring_for_database(&loaded.config, &random, &db).await.map_err(Failure::failed)?;
    let app = App::new(loaded, db, clock, random, ring);
    warn_of_plain_http(&app);
    stop_on_signal(Arc::clone(&app))?;
    outlive_a_full_file()?;
    match Arc::clone(&app).serve(async |app| ready(app).await).await {
        // Told to stop while it still waited for the database: that is no failure.
        Ok(()) | Err(StartError::Stopped) => {
            tracing::info!("stopped");
            Ok(())
        }
        Err(error @ (StartError::Migrate(_) | StartError::Db(_) | StartError::Signing(SigningError::Db(_)))) => {
            Err(Failure::Failed(format!("the database at {url} (`database.url`) cannot be used: {error}")))
        }
        Err(error) => Err(Failure::failed(error)),
    }
}

fn warn_of_plain_http(app: &App) {
    let http = &app.config.http;
    if http.public_url.starts_with("http://") && !http.is_on_this_machine() {
        tracing::warn!(
            public_url = http.public_url,
            "`http.public_url` is http on another host: passwords and tokens cross the network unencrypted, and current \
             clients refuse it. Put a proxy that ends TLS in front, and set its https URL"
        );
    }
}

pub fn stop_on_signal(app: Arc<App>) -> Result<(), Failure> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: finishing what is under way");
        app.stop.stop();
    });
    Ok(())
}

/// A database file that may not grow (RLIMIT_FSIZE) is a full disk, which is answered with 503. Without a handler the
/// system would end the process at that write; once registered the handler stays.
fn outlive_a_full_file() -> Result<(), Failure> {
    const SIGXFSZ: i32 = 25;
    drop(signal(SignalKind::from_raw(SIGXFSZ))?);
    Ok(())
}

async fn ready(app: &App) {
    let http = &app.config.http;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        listen = %http.listen,
        public_url = http.public_url,
        management = http.management_listen.map(|address| address.to_string()),
        database = app.context.db.engine(),
        "Grantor is ready"
    );
    tracing::info!("for the RFC 9728 metadata of an MCP server: {}", http.authorization_servers());
    if let Err(error) = first_start(app).await {
        tracing::error!(%error, "the first organisation could not be set up");
    }
}

/// For a trial the server creates an organization and prints its keys; elsewhere it prints the command that does so.
async fn first_start(app: &App) -> Result<(), bootstrap::BootstrapError> {
    if !orgs::list(&app.context.db).await?.is_empty() {
        return Ok(());
    }
    let text = if app.config.database.is_default_file() || app.config.bootstrap.automatic {
        let made =
            bootstrap::bootstrap(&app.context, "My organisation", "admin@localhost", None, &By::COMMAND_LINE).await?;
        first_start_text(app, &made)
    } else {
        HOW_TO.to_owned()
    };
    // A server whose standard output nobody reads serves all the same.
    let _ = output::line(&text);
    Ok(())
}
