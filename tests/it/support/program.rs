//! The program as a spawned process with an empty environment, `GRANTOR_*` settings, and its own
//! folder.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use grantor::db::engine::connect::Location;
use grantor::rules::secret::Secret;
use serde_json::Value;
use tempfile::TempDir;

use super::port::Port;
use super::running::{Finished, Running, text_of};
use super::{Answer, Engine, TestApp, connection, plain_http};

/// The password in every Postgres URL, so that tests can check that no log contains it.
pub const DATABASE_PASSWORD: &str = "pw-0d1fb9c2-never-shown";

/// SQL that lets every user authorize every client in every organization. A grant has the id of its
/// client.
pub const EVERYTHING_GRANTED: &str = "
    INSERT INTO org_clients (org_id, client_id, changed_at, authorized_id, first_authorized_at)
        SELECT o.id, c.id, 1767323045, c.id, 1767323045 FROM orgs o, clients c;
    INSERT INTO grants (id, org_id, client_id, user_id, consent_digest, consented_at, created_at, modified_at)
        SELECT c.id, o.id, c.id, u.id, c.digest, 1767323045, 1767323045, 1767323045 FROM orgs o, clients c, users u;
    INSERT INTO grant_scopes (grant_id, scope) SELECT id, 'openid' FROM grants;
    INSERT INTO grant_scopes (grant_id, scope) SELECT id, 'mcp_read' FROM grants";

/// SQL that gives every grant an access token that expires at 2100-01-01T00:00:00Z.
pub const TOKENS_UNTIL_2100: &str = "
    INSERT INTO access_lifetimes (seconds, last_used_at) VALUES (1, 4102444799);
    INSERT INTO families (id, grant_id, org_id, client_id, user_id, scopes, resources, signed_in_at, created_at, key_id,
                          sequence, rotated_at)
        SELECT id, id, org_id, client_id, user_id, '[]', '[]', 1767323045, 1767323045, 'a ring key', 0, 4102444799
          FROM grants";

/// The folder and settings of a program. A clone shares the folder and the database, like a second
/// command on the same host.
#[derive(Clone)]
pub struct Program {
    folder: Arc<TempDir>,
    environment: Vec<(String, String)>,
    listen: Arc<Port>,
    management: Arc<Port>,
}

impl Program {
    /// Uses the default file, `data/grantor.db` in its folder.
    pub fn on_the_default_file() -> Self {
        let program = Self {
            folder: Arc::new(TempDir::new().expect("a temporary folder")),
            environment: Vec::new(),
            listen: Arc::new(Port::pick()),
            management: Arc::new(Port::pick()),
        };
        program.at_its_ports()
    }

    /// Uses a new database.
    pub async fn on(engine: Engine) -> Self {
        let program = Self::on_the_default_file();
        let url = match TestApp::target(engine, &program.folder).await.location {
            Location::Sqlite { path } => format!("sqlite:{}", path.display()),
            Location::Postgres { url, schema } => {
                postgres_url(url.expose(), &schema.expect("a schema of its own"), DATABASE_PASSWORD)
            }
        };
        program.with("GRANTOR_DATABASE__URL", &url)
    }

    /// Sets an environment variable and replaces an earlier one of the same name.
    pub fn with(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self = self.without(name);
        self.environment.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self
    }

    /// Another server on the same database with its own ports.
    pub fn replica(&self) -> Self {
        Self { listen: Arc::new(Port::pick()), management: Arc::new(Port::pick()), ..self.clone() }
            .at_its_ports()
    }

    fn at_its_ports(self) -> Self {
        let (listen, management) =
            (self.listen.address.to_string(), self.management.address.to_string());
        self.with("GRANTOR_HTTP__LISTEN", listen)
            .with("GRANTOR_HTTP__MANAGEMENT_LISTEN", management)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn address(&self) -> SocketAddr {
        self.listen.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.listen.address)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder().join(name), text).expect("a file in the folder");
    }

    /// Runs a command to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Finished {
        self.run_with_input(arguments, "")
    }

    pub fn run_with_input<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        input: &str,
    ) -> Finished {
        let mut command = self.command(env!("CARGO_BIN_EXE_grantor"));
        command.args(arguments);
        Running::spawn(command, input).finish()
    }

    /// Runs a command and parses its JSON output.
    pub fn json(&self, arguments: &[&str]) -> Value {
        self.run(["--output", "json"].iter().chain(arguments)).json()
    }

    /// Any other program in the same folder, without the environment of the test.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment.iter().cloned()).current_dir(self.folder());
        command
    }

    /// Starts a server and waits until it is ready.
    pub fn start(&self) -> Server {
        let server = self.launch();
        server.running.stderr.wait_for("Grantor is ready");
        server
    }

    /// Starts a server without waiting.
    pub fn launch(&self) -> Server {
        self.launch_as("serve")
    }

    /// Starts another command that runs until it is stopped.
    pub fn launch_as(&self, command_name: &str) -> Server {
        let mut command = self.command(env!("CARGO_BIN_EXE_grantor"));
        command.arg(command_name);
        Server { program: self.clone(), running: Running::spawn(command, "") }
    }

    /// Runs `grantor bootstrap` and returns its output. The password need not be changed at the
    /// first sign-in.
    pub fn bootstrap(&self) -> Value {
        let arguments =
            ["--output", "json", "bootstrap", "--org", "Acme", "--email", "admin@acme.example"];
        let mut made = self
            .run_with_input(
                arguments.iter().chain(&["--password-stdin"]),
                "correct horse battery\n",
            )
            .json();
        made["user"]["password"] = "correct horse battery".into();
        made
    }

    /// Runs SQL, for states that the program itself never creates.
    pub async fn execute(&self, sql: &'static str) {
        connection::execute(&self.location(), sql).await;
    }

    pub fn location(&self) -> Location {
        let url = self.variable("GRANTOR_DATABASE__URL").expect("a database of its own");
        match url.strip_prefix("sqlite:") {
            Some(path) => Location::Sqlite { path: path.into() },
            None => Location::Postgres { url: Secret::new(url.to_owned()), schema: None },
        }
    }
}

/// The URL with a search path. A password is added if there is none, since the cluster of the tests
/// accepts any.
fn postgres_url(url: &str, schema: &str, password: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let (user, server) = rest.split_once('@').unwrap_or(("postgres", rest));
    let user = if user.contains(':') { user.to_owned() } else { format!("{user}:{password}") };
    let joint = if server.contains('?') { '&' } else { '?' };
    format!("{scheme}://{user}@{server}{joint}options[search_path]={schema}")
}

/// A running server. It is killed if the test ends without stopping it.
pub struct Server {
    program: Program,
    running: Running,
}

impl Server {
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "")
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        let headers = [("Content-Type", "application/json")];
        self.ask("POST", path, &headers, &body.to_string())
    }

    /// Sends a request with a pair of keys in the format of the commands.
    pub fn ask_with(&self, keys: &Value, method: &str, path: &str, body: &str) -> Answer {
        let key = |name: &str| keys[name].as_str().expect("a key").to_owned();
        let (api_key, application_key) = (key("api_key"), key("application_key"));
        let headers = [
            ("DD-API-KEY", api_key.as_str()),
            ("DD-APPLICATION-KEY", application_key.as_str()),
            ("Content-Type", "application/json"),
        ];
        self.ask(method, path, &headers, body)
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let answer = plain_http::ask(self.program.address(), method, path, headers, body);
        answer.unwrap_or_else(|error| {
            panic!("{method} {path}: {error}; the server said:\n{}", self.log())
        })
    }

    /// Registers a client and returns its id.
    pub fn registered(&self, client_name: &str) -> String {
        let body = serde_json::json!({"client_name": client_name, "redirect_uris": ["https://example.com/callback"]});
        let answer = self.post("/api/v2/oauth2/register", &body);
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["client_id"].as_str().expect("a client_id").to_owned()
    }

    /// A GET request to the management listener.
    pub fn management(&self, path: &str) -> Answer {
        plain_http::ask(self.program.management.address, "GET", path, &[], "").expect("an answer")
    }

    /// The standard error so far.
    pub fn log(&self) -> String {
        self.running.stderr.text()
    }

    /// Waits until the server is ready or exits with this refusal. Returns true if it is ready.
    pub fn is_ready_or_refused(&self, refusal: &str) -> bool {
        let seen = self.running.stderr.wait_until(|(text, ended)| {
            let text = text_of(text);
            *ended || text.contains("Grantor is ready") || text.contains(refusal)
        });
        seen.contains("Grantor is ready")
    }

    pub fn wait_for_log(&self, text: &str) {
        self.running.stderr.wait_for(text);
    }

    /// Waits until the standard output contains this text, and returns it.
    pub fn stdout_with(&self, text: &str) -> String {
        self.running.stdout.wait_for(text)
    }

    pub fn process_id(&self) -> u32 {
        self.running.process_id()
    }

    pub fn terminate(&self) {
        self.signal("TERM");
    }

    pub fn signal(&self, name: &str) {
        let kill = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.process_id().to_string())
            .status();
        assert!(kill.expect("`kill` runs").success(), "the server was not there");
    }

    /// Waits until the server ends for another reason.
    pub fn finish(self) -> Finished {
        self.running.finish()
    }

    pub fn stop(self) -> Finished {
        self.terminate();
        self.finish()
    }
}
