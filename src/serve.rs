//! Starts the server, runs its background tasks and shuts it down.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::actions::sealing_keys::prepare;
use crate::actions::sealing_keys::prepare::PrepareKeyRingError;
use crate::actions::signing_keys::rotate;
use crate::actions::upkeep::follow_database_clock;
use crate::actions::webhooks::bind_secrets;
use crate::app::App;
use crate::db::engine::error::DbError;
use crate::db::engine::migrate::MigrateError;
use crate::http::{ConnectionBounds, ConnectionCounts, Listener};
use crate::shutdown::Shutdown;
use crate::signing::{RELOAD_EVERY, SigningError};
use crate::{clock_sync, http, sweeper, telemetry};

/// Management requests are answered immediately, so shutdown does not wait for a slow probe.
const MANAGEMENT_DRAIN: Duration = Duration::from_millis(500);

/// The time for closing the database. Statements that still run were already abandoned by the drain
/// and may take longer than the shutdown should.
const DB_CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(
        "cannot listen on {address}: {cause}. Is another server running there? `http.listen` and `http.management_listen` set the addresses"
    )]
    Listen { address: SocketAddr, cause: std::io::Error },
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    KeyRing(#[from] PrepareKeyRingError),
    #[error(transparent)]
    Signing(#[from] SigningError),
    #[error("stopped before the database answered")]
    Stopped,
}

impl StartError {
    fn is_transient(&self) -> bool {
        match self {
            Self::Migrate(cause) => cause.is_transient(),
            Self::KeyRing(PrepareKeyRingError::Db(cause)) | Self::Db(cause) => cause.is_transient(),
            Self::Signing(cause) => cause.is_transient(),
            Self::Listen { .. } | Self::KeyRing(_) | Self::Stopped => false,
        }
    }
}

impl App {
    /// Serves until [`Shutdown::stop`]. `ready` is called once, when the server accepts requests.
    ///
    /// The management listener stops last, so that `/readyz` reports the shutdown to load balancers
    /// while the public one drains.
    pub async fn serve(self: Arc<Self>, ready: impl AsyncFnOnce(&Self)) -> Result<(), StartError> {
        let management = self.listen_for_management().await?;
        let public = self.listen_for_clients().await?;
        let drained = Shutdown::default();
        // The public listener answers 503 on every path until startup is complete. So a 200 on any
        // path means that all paths are ready.
        self.set_starting(true);
        let management = management.map(|listener| {
            tokio::spawn(listener.serve(http::management(Arc::clone(&self)), drained.clone()))
        });
        let public = tokio::spawn(public.serve(http::public(Arc::clone(&self)), self.stop.clone()));
        if let Err(error) = self.prepare_with_retry().await {
            public.abort();
            return Err(error);
        }
        self.set_starting(false);
        ready(&self).await;
        let background = BackgroundTasks::start(&self);
        if let Err(cause) = public.await {
            tracing::error!(%cause, "the listener stopped unexpectedly");
        }
        background.end(self.config.http.shutdown_timeout).await;
        drained.stop();
        if let Some(management) = management {
            // The listener stops after `drained`. An error could only be a panic, which is already
            // logged.
            let _ = management.await;
        }
        if tokio::time::timeout(DB_CLOSE_TIMEOUT, self.context.db.close()).await.is_err() {
            tracing::warn!("some statements were still running when the database was closed");
        }
        Ok(())
    }

    async fn listen_for_management(&self) -> Result<Option<Listener>, StartError> {
        match self.config.http.management_listen {
            None => Ok(None),
            Some(address) => {
                self.listen(address, MANAGEMENT_DRAIN, Default::default()).await.map(Some)
            }
        }
    }

    async fn listen_for_clients(&self) -> Result<Listener, StartError> {
        let counts = ConnectionCounts {
            open: self.metrics.connections_open.clone(),
            refused: self.metrics.refused_counter("connections"),
            refused_of_source: self.metrics.refused_counter("connections_per_source"),
        };
        self.listen(self.config.http.listen, self.config.http.shutdown_timeout, counts).await
    }

    async fn listen(
        &self,
        address: SocketAddr,
        drain: Duration,
        counts: ConnectionCounts,
    ) -> Result<Listener, StartError> {
        let bounds = ConnectionBounds {
            first_byte: self.config.http.first_byte_timeout,
            headers: self.config.http.header_timeout,
            shutdown: drain,
            connections: self.config.limits.connections as usize,
            connections_per_source: self.config.limits.connections_per_source as usize,
            header_bytes: self.config.http.max_header_bytes,
            trusted: self.config.http.trusted_proxies.clone(),
        };
        Listener::bind(address, bounds, counts)
            .await
            .map_err(|cause| StartError::Listen { address, cause })
    }

    /// Retries without a limit while the database is unreachable, so that both can start in any
    /// order, for example after a power failure.
    async fn prepare_with_retry(&self) -> Result<(), StartError> {
        const MAX_PAUSE: Duration = Duration::from_secs(5);
        let mut pause = Duration::from_millis(100);
        loop {
            match self.prepare_with_database_time().await {
                Err(cause) if cause.is_transient() => {
                    let reason = self
                        .context
                        .db
                        .why_unreachable()
                        .await
                        .unwrap_or_else(|| cause.to_string());
                    tracing::warn!(error = reason, "waiting for the database");
                }
                outcome => return outcome,
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(MAX_PAUSE),
                () = self.stop.stopped() => return Err(StartError::Stopped),
            }
        }
    }

    /// Follows the database's clock first, so that all stored times come from it.
    async fn prepare_with_database_time(&self) -> Result<(), StartError> {
        self.context.db.check_sessions().await?;
        follow_database_clock::follow_database_clock(&self.context).await?;
        self.prepare().await
    }

    /// Prepares the database before requests are served: it migrates the schema, checks that the
    /// key ring opens all sealed values, and makes sure that a signing key exists.
    pub async fn prepare(&self) -> Result<(), StartError> {
        self.context.db.migrate().await?;
        prepare::prepare_key_ring(&self.context).await?;
        bind_secrets::bind_unbound_secrets(&self.context).await?;
        self.report_access_lifetime().await?;
        Ok(rotate::prepare_signing_keys(&self.context, &self.issuer.signing, self.signing_rules())
            .await?)
    }
}

/// The tasks that run while the server accepts requests.
struct BackgroundTasks {
    clock_sync: JoinHandle<()>,
    sweeping: JoinHandle<()>,
    reloading: JoinHandle<()>,
    reporting: JoinHandle<()>,
    sending: Option<JoinHandle<()>>,
}

impl BackgroundTasks {
    fn start(app: &Arc<App>) -> Self {
        Self {
            clock_sync: tokio::spawn(clock_sync::follow_until_stopped(Arc::clone(app))),
            sweeping: tokio::spawn(sweeper::sweep_until_stopped(Arc::clone(app))),
            reloading: tokio::spawn(reload_signing_keys(Arc::clone(app))),
            reporting: tokio::spawn(report_log_lines()),
            sending: app
                .config
                .webhooks
                .enabled
                .then(|| tokio::spawn(send_webhooks(Arc::clone(app)))),
        }
    }

    async fn end(self, drain: Duration) {
        for task in [self.clock_sync, self.sweeping, self.reloading, self.reporting] {
            // Waits until the task is gone. Otherwise it would fail, and log an error, when its
            // resources are closed.
            task.abort();
            let _ = task.await;
        }
        if let Some(sending) = self.sending
            && tokio::time::timeout(drain, sending).await.is_err()
        {
            tracing::warn!(
                "some webhook deliveries were interrupted; they are sent again in half a minute"
            );
        }
    }
}

/// Runs the webhook sender until shutdown and restarts it if it panics.
async fn send_webhooks(app: Arc<App>) {
    const PAUSE: Duration = Duration::from_secs(5);
    while !app.stop.is_stopping() {
        let sending = Arc::new(app.sender()).send_until_stopped(app.config.http.shutdown_timeout);
        if let Err(error) = tokio::spawn(sending).await {
            tracing::error!(%error, "the webhook sender stopped unexpectedly and restarts");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Logs how many log lines were suppressed.
async fn report_log_lines() {
    const EVERY: Duration = Duration::from_secs(5);
    loop {
        tokio::time::sleep(EVERY).await;
        telemetry::report();
    }
}

/// Reloads the signing keys, which other servers may have rotated.
async fn reload_signing_keys(app: Arc<App>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(RELOAD_EVERY) => {}
            () = app.stop.stopped() => return,
        }
        if let Err(error) = app.issuer.signing.reload().await {
            tracing::warn!(%error, "the signing keys could not be reloaded");
        }
    }
}
