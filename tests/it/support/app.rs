//! The server in process.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Method;
use grantor::actions::audit::AuditActor;
use grantor::actions::context::Context;
use grantor::actions::orgs::default_client_scopes;
use grantor::actions::orgs::default_client_scopes::{NewDefaults, SetDefaultsError};
use grantor::actions::upkeep::follow_database_clock;
use grantor::app::App;
use grantor::app::from_config::database_target;
use grantor::clock::{Clock, ManualClock};
use grantor::config::{Config, Loaded, Sources};
use grantor::db::engine::Db;
use grantor::db::engine::connect::{Location, Target};
use grantor::http;
use grantor::passwords::Passwords;
use grantor::passwords::hash::PasswordCost;
use grantor::random::Random;
use grantor::rules::id::OrgId;
use grantor::rules::scope::ScopeSet;
use grantor::rules::secret::Secret;
use grantor::rules::timestamp::Timestamp;
use grantor::sealing::KeyRing;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::{Answer, DEADLINE, TestOperator, cluster, connection, template};

/// When every test begins: 2026-01-02T03:04:05Z.
pub const START: Timestamp = Timestamp::from_seconds(1_767_323_045);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

pub struct TestApp {
    pub app: Arc<App>,
    pub clock: ManualClock,
    pub target: Target,
    router: Router,
    _folder: TempDir,
}

impl TestApp {
    pub async fn start(engine: Engine) -> Self {
        Self::with(engine, &[]).await
    }

    /// Starts a server with settings, such as `("limits.register_per_minute", "2")`.
    pub async fn with(engine: Engine, settings: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let target = template::migrated(engine, &folder).await;
        Self::on(target, folder, settings).await
    }

    /// Starts a server that uses the time of its database, as every running server does.
    pub async fn by_database_time(engine: Engine, settings: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let target = template::migrated(engine, &folder).await;
        Self::on_host_off_by(0, target, folder, settings).await
    }

    /// Another server on the same database, on a host whose clock is off by this many seconds.
    pub async fn replica_on_host_off_by(&self, seconds: i64, settings: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        Self::on_host_off_by(seconds, self.target.clone(), folder, settings).await
    }

    /// Another replica on the same database.
    pub async fn replica(&self) -> Self {
        self.replica_with(&[]).await
    }

    /// A replica with other settings, like a server after a restart.
    pub async fn replica_with(&self, settings: &[(&str, &str)]) -> Self {
        Self::on(self.target.clone(), TempDir::new().expect("a temporary folder"), settings).await
    }

    /// Starts a server on another location of a database, with the default time limits.
    pub async fn on_location(location: Location, settings: &[(&str, &str)]) -> Self {
        let target = Target { location, ..database_target(&loaded(settings).config) };
        Self::on(target, TempDir::new().expect("a temporary folder"), settings).await
    }

    /// A server on a database that another one migrated.
    pub fn unprepared_on(location: Location) -> Self {
        let target = Target { location, ..database_target(&loaded(&[]).config) };
        let db = Db::open(&target).expect("the database opens");
        let folder = TempDir::new().expect("a temporary folder");
        Self::assembled(db, Clock::manual(START), (target, folder), &[])
    }

    /// A new database without migrations.
    pub async fn target(engine: Engine, folder: &TempDir) -> Target {
        let location = match engine {
            Engine::Sqlite => Location::Sqlite { path: folder.path().join("grantor.db") },
            Engine::Postgres => {
                let url = Secret::new(cluster::postgres_url().to_owned());
                Location::Postgres { url, schema: Some(cluster::new_schema().await) }
            }
        };
        Target { location, max_connections: 4, acquire_timeout: DEADLINE, query_timeout: DEADLINE }
    }

    async fn on_host_off_by(
        seconds: i64,
        target: Target,
        folder: TempDir,
        settings: &[(&str, &str)],
    ) -> Self {
        let db = Db::open(&target).expect("the database opens");
        let now = db.unix_millis().await.expect("the database answers") / 1000;
        let clocks = Clock::manual(Timestamp::from_seconds(now).plus(seconds));
        let server = Self::assembled(db, clocks, (target, folder), settings);
        follow_database_clock::follow_database_clock(server.context())
            .await
            .expect("the database answers");
        server.prepared().await
    }

    async fn on(target: Target, folder: TempDir, settings: &[(&str, &str)]) -> Self {
        let db = Db::open(&target).expect("the database opens");
        Self::assembled(db, Clock::manual(START), (target, folder), settings).prepared().await
    }

    fn assembled(
        db: Db,
        (clock, manual_clock): (Clock, ManualClock),
        (target, folder): (Target, TempDir),
        settings: &[(&str, &str)],
    ) -> Self {
        let loaded = loaded(settings);
        let ring = loaded.config.secrets.key.clone().unwrap_or_else(KeyRing::development);
        let mut app = App::new(loaded, db, clock, Random::system(), ring);
        let state = Arc::get_mut(&mut app).expect("nothing shares the state yet");
        state.context.passwords = Passwords::default().with_cost(PasswordCost::MINIMAL);
        let router = http::public(Arc::clone(&app));
        Self { app, clock: manual_clock, target, router, _folder: folder }
    }

    async fn prepared(self) -> Self {
        self.app.prepare().await.expect("the migrations run, and there is a key");
        self
    }

    /// Runs SQL, for states that the program itself never creates.
    pub async fn execute(&self, sql: &'static str) {
        connection::execute(&self.target.location, sql).await;
    }

    pub fn context(&self) -> &Context {
        &self.app.context
    }

    /// The context of a server with another key ring.
    pub fn context_with(&self, ring: &KeyRing) -> Context {
        Context { ring: ring.clone(), ..self.app.context.clone() }
    }

    pub fn db(&self) -> &Db {
        &self.app.context.db
    }

    pub async fn send(&self, request: Request) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("a router answers");
        Answer::from_response(response).await
    }

    /// Sends a request without a body.
    pub async fn ask(&self, request: axum::http::request::Builder) -> Answer {
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    /// Sends a request with a JSON body.
    pub async fn ask_with(&self, request: axum::http::request::Builder, body: &Value) -> Answer {
        let request = request.header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).expect("a request")).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(request(Method::GET, path)).await
    }

    /// A GET request to the management listener.
    pub async fn manage(&self, path: &str) -> Answer {
        let request = request(Method::GET, path).body(Body::empty()).expect("a request");
        let response = http::management(Arc::clone(&self.app))
            .oneshot(request)
            .await
            .expect("a router answers");
        Answer::from_response(response).await
    }

    /// Sends a POST request with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask_with(request(Method::POST, path), body).await
    }

    /// Sends a POST request with a body that need not be JSON.
    pub async fn post_text(&self, path: &str, body: impl Into<Body>) -> Answer {
        let request = request(Method::POST, path).header("content-type", "application/json");
        self.send(request.body(body.into()).expect("a request")).await
    }

    /// Registers a client and returns its id.
    pub async fn registered(&self, client_name: &str) -> String {
        let body = serde_json::json!({"client_name": client_name, "redirect_uris": ["https://example.com/callback"]});
        let answer = self.post("/api/v2/oauth2/register", &body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["client_id"].as_str().expect("a client_id").to_owned()
    }

    /// Sets the default scopes of an organization, and returns the number of grants that held more.
    pub async fn set_default_scopes(
        &self,
        org_id: OrgId,
        scopes: Option<&ScopeSet>,
    ) -> Result<u64, SetDefaultsError> {
        let new =
            NewDefaults { org_id, scopes, config: &self.app.config, catalog: &self.app.catalog };
        let by = AuditActor::COMMAND_LINE;
        let done =
            default_client_scopes::restrict_by_default(self.context(), new, None, &by).await?;
        Ok(done.affected.grants)
    }

    /// Creates an organization and returns its administrator.
    pub async fn operator(&self, org: &str) -> TestOperator<'_> {
        TestOperator::bootstrapped(self, org).await
    }
}

/// A request with a Host header.
pub fn request(method: Method, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path).header("host", "127.0.0.1:8080")
}

fn loaded(settings: &[(&str, &str)]) -> Loaded {
    let sources = Sources {
        file: None,
        environment: Vec::new(),
        flags: settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        read_file: |path| std::fs::read_to_string(path),
    };
    Config::load(&sources).unwrap_or_else(|errors| panic!("{errors}"))
}
