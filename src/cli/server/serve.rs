//! `grantor serve`: runs the server until SIGTERM or Ctrl-C, then finishes open requests.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use crate::actions::context::Context;
use crate::app::App;
use crate::cli::database;
use crate::cli::database::sqlite_lock;
use crate::cli::failure::Failure;
use crate::cli::server::first_start;
use crate::config::Loaded;
use crate::serve::StartError;
use crate::signing::SigningError;
use crate::{key_ring, telemetry};

pub fn run(loaded: Loaded) -> Result<(), Failure> {
    let _telemetry = telemetry::start(&loaded.config.log.level, loaded.config.log.format)
        .map_err(Failure::failed)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(loaded))
}

async fn serve(loaded: Loaded) -> Result<(), Failure> {
    let url = loaded.config.database.url.to_string();
    let Context { db, clock, random, .. } = database::open_any_schema(&loaded.config)?;
    let _lock = sqlite_lock::lock(&loaded.config)?;
    let ring =
        key_ring::ring_for_database(&loaded.config, &random, &db).await.map_err(Failure::failed)?;
    let app = App::new(loaded, db, clock, random, ring);
    warn_about_plain_http(&app);
    stop_on_signal(Arc::clone(&app))?;
    ignore_file_size_signal()?;
    match Arc::clone(&app).serve(async |app| ready(app).await).await {
        // A signal that arrives while the server waits for the database is not a failure.
        Ok(()) | Err(StartError::Stopped) => {
            tracing::info!("stopped");
            Ok(())
        }
        Err(
            error @ (StartError::Migrate(_)
            | StartError::Db(_)
            | StartError::Signing(SigningError::Db(_))),
        ) => Err(Failure::Failed(format!(
            "the database at {url} (`database.url`) cannot be used: {error}"
        ))),
        Err(error) => Err(Failure::failed(error)),
    }
}

fn warn_about_plain_http(app: &App) {
    let http = &app.config.http;
    if http.public_url.starts_with("http://") && !http.is_on_this_machine() {
        tracing::warn!(
            public_url = http.public_url,
            "`http.public_url` is http on another host: passwords and tokens are sent unencrypted, \
             and current clients refuse it. Run a proxy with TLS in front, and set \
             `http.public_url` to its https URL"
        );
    }
}

pub fn stop_on_signal(app: Arc<App>) -> Result<(), Failure> {
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: finishing open requests");
        app.stop.stop();
    });
    Ok(())
}

/// Handles SIGXFSZ, so that a database file at its size limit (RLIMIT_FSIZE) causes 503 responses,
/// like a full disk. Without a handler, the system would kill the process. The handler stays
/// registered.
fn ignore_file_size_signal() -> Result<(), Failure> {
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
    if let Err(error) = first_start::first_start(app).await {
        tracing::error!(%error, "the first organization could not be created");
    }
}
