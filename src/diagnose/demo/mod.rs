//! `grantor demo`: runs a complete server in a temporary folder until Ctrl-C, with commands to try.

mod stage;
mod tour;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use tokio::net::TcpListener;

use crate::app::App;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::server::serve;
use crate::cli::{database, output};
use crate::clock::Clock;
use crate::config::{Config, Loaded, Sources};
use crate::diagnose::demo::stage::Stage;
use crate::diagnose::sample_resource::SampleResource;
use crate::outgoing::Outgoing;
use crate::random::Random;
use crate::rules::secret::Secret;
use crate::{key_ring, sealing, telemetry};

pub fn run(output: Output) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let folder = Folder::create()?;
    runtime.block_on(serve_demo(&folder, output))
}

async fn serve_demo(folder: &Folder, output: Output) -> Result<(), Failure> {
    let loaded = settings(folder)?;
    let _telemetry = telemetry::start(&loaded.config.log.level, loaded.config.log.format)
        .map_err(Failure::failed)?;
    let context = database::open_any_schema(&loaded.config)?;
    let ring = key_ring::ring_for(&loaded.config, &context.random).map_err(Failure::failed)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let sample = SampleResource {
        url: format!("http://{}", listener.local_addr()?),
        issuer: loaded.config.http.public_url.clone(),
        secret: context.random.token("rs_"),
        outgoing: Outgoing::for_operator(),
    };
    let app = App::new(loaded, context.db, context.clock, context.random, ring);
    serve::stop_on_signal(Arc::clone(&app))?;
    let (url, resource, secret) = (sample.url.clone(), sample.resource(), sample.secret.clone());
    let protected = tokio::spawn(sample.serve(listener));
    let mut printed = Ok(());
    let stop = app.stop.clone();
    let served = Arc::clone(&app)
        .serve(async |app| {
            printed = print_tour(app, &url, &resource, &secret, output).await;
            if printed.is_err() {
                stop.stop();
            }
        })
        .await;
    protected.abort();
    printed?;
    served.map_err(Failure::failed)
}

/// Sets up the demo and prints its tour. It runs once the server accepts requests.
async fn print_tour(
    app: &App,
    url: &str,
    resource: &str,
    secret: &Secret,
    output: Output,
) -> Result<(), Failure> {
    let stage = Stage::set_up(app, url, resource, secret).await?;
    let tour = tour::lines(&stage);
    let shown = json!({
        "url": stage.url,
        "resource": stage.resource,
        "email": stage.email,
        "password": stage.password.expose(),
        "client_id": stage.client_id,
        "tour": tour,
    });
    output::item(output, &shown, || tour::text(&stage))
}

fn settings(folder: &Folder) -> Result<Loaded, Failure> {
    let listen = free_address()?;
    let flags = [
        ("http.listen", listen.to_string()),
        ("http.public_url", format!("http://{listen}")),
        ("http.management_listen", String::new()),
        ("database.url", format!("sqlite:{}", folder.0.join("grantor.db").display())),
        ("secrets.key", sealing::new_ring_key(&Random::system()).expose().to_owned()),
        ("log.level", "warn".to_owned()),
        // People need time to paste the commands.
        ("tokens.code_ttl", "600".to_owned()),
        ("sites.hosts", "[]".to_owned()),
    ];
    let sources = Sources {
        file: None,
        environment: Vec::new(),
        flags: flags.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        read_file: |path| std::fs::read_to_string(path),
    };
    Ok(Config::load(&sources)?)
}

/// The usual port, or any free port if it is taken.
fn free_address() -> Result<SocketAddr, Failure> {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
    if std::net::TcpListener::bind(usual).is_ok() {
        return Ok(usual);
    }
    Ok(std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// The folder of the demo, which is removed when the demo ends.
struct Folder(PathBuf);

impl Folder {
    fn create() -> Result<Self, Failure> {
        let id = Random::system().uuid_v7(Clock::system().unix_millis());
        let path = std::env::temp_dir().join(format!("grantor-demo-{id}"));
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).map_err(|cause| {
            Failure::Failed(format!("cannot create {}: {cause}", path.display()))
        })?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "the folder of the demo could not be removed");
        }
    }
}
