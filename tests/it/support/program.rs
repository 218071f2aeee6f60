//! The program itself: spawned with an empty environment, its settings as `GRANTOR_*` variables, in a folder of its own.

use std::ffi::OsStr;
use std::io::{Read, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use grantor::db::engine::connect::Location;
use grantor::secret::Secret;
use serde_json::Value;
use tempfile::TempDir;

use super::port::Port;
use super::waiting::DEADLINE;
use super::{Answer, Engine, TestApp, connection, plain_http};

/// No program goes on for so long by itself, not even a browser that a busy machine leaves little time.
const WHOLE_RUN: Duration = Duration::from_secs(300);
/// In every Postgres URL here, so that no log may hold it.
pub const DATABASE_PASSWORD: &str = "pw-0d1fb9c2-never-shown";

/// SQL after which every person has authorized every client, in every organization. A grant has the id of its client.
pub const EVERYTHING_GRANTED: &str = "
    INSERT INTO org_clients (org_id, client_id, changed_at, authorized_id, first_authorized_at)
        SELECT o.id, c.id, 1767323045, c.id, 1767323045 FROM orgs o, clients c;
    INSERT INTO grants (id, org_id, client_id, user_id, consent_digest, consented_at, created_at, modified_at)
        SELECT c.id, o.id, c.id, u.id, c.digest, 1767323045, 1767323045, 1767323045 FROM orgs o, clients c, users u;
    INSERT INTO grant_scopes (grant_id, scope) SELECT id, 'openid' FROM grants;
    INSERT INTO grant_scopes (grant_id, scope) SELECT id, 'mcp_read' FROM grants";

/// SQL after which every grant has issued an access token that expires at 2100-01-01T00:00:00Z.
pub const TOKENS_UNTIL_2100: &str = "
    INSERT INTO access_lifetimes (seconds, last_used_at) VALUES (1, 4102444799);
    INSERT INTO families (id, grant_id, org_id, client_id, user_id, scopes, resources, signed_in_at, created_at, key_id,
                          sequence, rotated_at)
        SELECT id, id, org_id, client_id, user_id, '[]', '[]', 1767323045, 1767323045, 'a ring key', 0, 4102444799
          FROM grants";

/// Where a program runs and with which settings. Cloning shares folder and database, and so is another replica's host.
#[derive(Clone)]
pub struct Program {
    folder: Arc<TempDir>,
    environment: Vec<(String, String)>,
    listen: Arc<Port>,
    management: Arc<Port>,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Finished {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// What a command that succeeded printed, which has to be one document.
    pub fn json(&self) -> Value {
        serde_json::from_str(self.succeeded()).unwrap_or_else(|error| panic!("{error} in {:?}", self.stdout))
    }

    /// What a command that succeeded printed.
    pub fn succeeded(&self) -> &str {
        assert_eq!(self.code, 0, "{}", self.stderr);
        &self.stdout
    }

    /// Exit code and standard error in one comparison; a command that fails prints nothing on standard output.
    pub fn failed(&self, code: i32, stderr: &str) {
        assert_eq!((self.code, self.stdout.as_str(), self.stderr.trim_end()), (code, "", stderr));
    }
}

impl Program {
    /// On the default file, `data/grantor.db` in its folder.
    pub fn on_the_default_file() -> Self {
        let program = Self {
            folder: Arc::new(TempDir::new().expect("a temporary folder")),
            environment: Vec::new(),
            listen: Arc::new(Port::pick()),
            management: Arc::new(Port::pick()),
        };
        program.at_its_ports()
    }

    /// On a database that nobody has used.
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

    /// With an environment variable, in place of one of the same name.
    pub fn with(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self = self.without(name);
        self.environment.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self
    }

    /// Another server on the same database, with ports of its own.
    pub fn replica(&self) -> Self {
        Self { listen: Arc::new(Port::pick()), management: Arc::new(Port::pick()), ..self.clone() }.at_its_ports()
    }

    fn at_its_ports(self) -> Self {
        let (listen, management) = (self.listen.address.to_string(), self.management.address.to_string());
        self.with("GRANTOR_HTTP__LISTEN", listen).with("GRANTOR_HTTP__MANAGEMENT_LISTEN", management)
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

    pub fn run_with_input<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>, input: &str) -> Finished {
        let mut command = self.command(env!("CARGO_BIN_EXE_grantor"));
        command.args(arguments);
        Running::spawn(command, input).finish()
    }

    /// Runs a command for its JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        self.run(["--output", "json"].iter().chain(arguments)).json()
    }

    /// Any other program, in the same folder and without an environment.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment.iter().cloned()).current_dir(self.folder());
        command
    }

    /// Starts a server and waits until it says that it is ready.
    pub fn start(&self) -> Server {
        let server = self.launch();
        server.running.stderr.wait_for("Grantor is ready");
        server
    }

    /// Starts a server and does not wait.
    pub fn launch(&self) -> Server {
        self.launch_as("serve")
    }

    /// Starts another command that goes on until it is told to stop.
    pub fn launch_as(&self, command_name: &str) -> Server {
        let mut command = self.command(env!("CARGO_BIN_EXE_grantor"));
        command.arg(command_name);
        Server { program: self.clone(), running: Running::spawn(command, "") }
    }

    /// An organization with its administrator and keys, as `grantor bootstrap` prints them. The password need not be replaced
    /// at the first sign-in.
    pub fn bootstrap(&self) -> Value {
        let arguments = ["--output", "json", "bootstrap", "--org", "Acme", "--email", "admin@acme.example"];
        let mut made =
            self.run_with_input(arguments.iter().chain(&["--password-stdin"]), "correct horse battery\n").json();
        made["user"]["password"] = "correct horse battery".into();
        made
    }

    /// A statement by hand, for states that the program itself never makes.
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

/// The same database with a schema of its own. A password is put in where there is none: the tests' own cluster asks for
/// none and so takes any.
fn postgres_url(url: &str, schema: &str, password: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let (user, server) = rest.split_once('@').unwrap_or(("postgres", rest));
    let user = if user.contains(':') { user.to_owned() } else { format!("{user}:{password}") };
    let joint = if server.contains('?') { '&' } else { '?' };
    format!("{scheme}://{user}@{server}{joint}options[search_path]={schema}")
}

/// A server that was started. It is killed where the test ends without ending it.
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

    /// As an operator, with a pair of keys as a command printed them.
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
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}; the server said:\n{}", self.log()))
    }

    /// Registers a client and returns its id.
    pub fn registered(&self, client_name: &str) -> String {
        let body = serde_json::json!({"client_name": client_name, "redirect_uris": ["https://example.com/callback"]});
        let answer = self.post("/api/v2/oauth2/register", &body);
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["client_id"].as_str().expect("a client_id").to_owned()
    }

    /// What `/healthz`, `/readyz` and `/metrics` say.
    pub fn management(&self, path: &str) -> Answer {
        plain_http::ask(self.program.management.address, "GET", path, &[], "").expect("an answer")
    }

    /// Standard error up to now.
    pub fn log(&self) -> String {
        self.running.stderr.text()
    }

    /// Waits until it is ready, or says this and ends. False in the second case.
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

    /// Standard output, once it holds this text.
    pub fn stdout_with(&self, text: &str) -> String {
        self.running.stdout.wait_for(text)
    }

    pub fn process_id(&self) -> u32 {
        self.running.child.id()
    }

    pub fn terminate(&self) {
        self.signal("TERM");
    }

    pub fn signal(&self, name: &str) {
        let kill = Command::new("kill").arg(format!("-{name}")).arg(self.process_id().to_string()).status();
        assert!(kill.expect("`kill` runs").success(), "the server was not there");
    }

    /// Waits for its end, which something else has caused.
    pub fn finish(self) -> Finished {
        self.running.finish()
    }

    pub fn stop(self) -> Finished {
        self.terminate();
        self.finish()
    }
}

/// A child with both of its outputs read as they come. It is killed where the test ends without waiting for it.
pub struct Running {
    child: Child,
    stdout: Arc<Captured>,
    stderr: Arc<Captured>,
}

impl Running {
    pub fn spawn(mut command: Command, input: &str) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} cannot run: {error}"));
        let mut stdin = child.stdin.take().expect("a pipe");
        // A program that reads nothing may have ended already.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let stdout = Captured::all_of(child.stdout.take().expect("a pipe"));
        let stderr = Captured::all_of(child.stderr.take().expect("a pipe"));
        Self { child, stdout, stderr }
    }

    /// Until it has said this on standard error.
    pub fn wait_for_error(&self, text: &str) {
        self.stderr.wait_for(text);
    }

    /// The first line of standard output, once it is there.
    pub fn first_line(&self) -> String {
        let seen = self.stdout.wait_until(|state| state.1 || state.0.contains(&b'\n'));
        let line = seen.split_once('\n').map(|(line, _)| line.to_owned());
        line.unwrap_or_else(|| panic!("no line was said within {DEADLINE:?}, but this:\n{}", self.stderr.text()))
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Finished {
        // Both outputs end with the process.
        let (stdout, stderr) = (self.stdout.wait_for_end(), self.stderr.wait_for_end());
        let status = self.child.wait().expect("the program ends");
        let code = status.code().unwrap_or_else(|| panic!("{status}: {stderr}"));
        Finished { code, stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a child has written, filled in by a thread.
#[derive(Default)]
struct Captured {
    state: Mutex<(Vec<u8>, bool)>,
    changed: Condvar,
}

impl Captured {
    fn all_of(mut pipe: impl Read + Send + 'static) -> Arc<Self> {
        let captured = Arc::new(Self::default());
        let filled = Arc::clone(&captured);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let length = pipe.read(&mut buffer).unwrap_or(0);
                let mut state = filled.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.0.extend_from_slice(&buffer[..length]);
                state.1 = length == 0;
                filled.changed.notify_all();
                if length == 0 {
                    return;
                }
            }
        });
        captured
    }

    fn text(&self) -> String {
        text_of(&self.state.lock().unwrap_or_else(PoisonError::into_inner).0)
    }

    fn wait_for(&self, text: &str) -> String {
        let seen = self.wait_until(|state| state.1 || text_of(&state.0).contains(text));
        assert!(seen.contains(text), "{text:?} was not said within {DEADLINE:?}, but this:\n{seen}");
        seen
    }

    fn wait_for_end(&self) -> String {
        let seen = self.wait_within(WHOLE_RUN, |state| state.1);
        let ended = self.state.lock().unwrap_or_else(PoisonError::into_inner).1;
        assert!(ended, "the program has not ended within {WHOLE_RUN:?}; it said:\n{seen}");
        seen
    }

    fn wait_until(&self, done: impl FnMut(&(Vec<u8>, bool)) -> bool) -> String {
        self.wait_within(DEADLINE, done)
    }

    fn wait_within(&self, limit: Duration, mut done: impl FnMut(&(Vec<u8>, bool)) -> bool) -> String {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (state, _) =
            self.changed.wait_timeout_while(state, limit, |state| !done(state)).unwrap_or_else(PoisonError::into_inner);
        text_of(&state.0)
    }
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
