//! The sample servers of `docs/examples`, each with the official client of its language: it sends the user to sign in,
//! lists the tools, and calls those whose scopes the user may grant. One engine is enough: other journeys run these
//! clients on both.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::script::{installed, node, python, text};
use crate::support::{Engine, Port, Program, Running, Server};

const ADMIN: &str = "admin@acme.example";
const READER: &str = "reader@acme.example";
const PASSWORD: &str = "correct horse battery";

#[tokio::test]
async fn the_python_sample_server_lets_each_user_call_what_the_scopes_allow() {
    let stage = Stage::set().await;
    let server = stage.start(python_server());
    server.wait_for_error("Uvicorn running on");

    stage.each_user_calls_what_the_scopes_allow(|| python("sample_journey.py"));
}

#[tokio::test]
async fn the_typescript_sample_server_lets_each_user_call_what_the_scopes_allow() {
    let stage = Stage::set().await;
    let server = stage.start(typescript_server(stage.program.folder()));
    assert!(server.first_line().starts_with("listening on"));

    stage.each_user_calls_what_the_scopes_allow(|| node("sample_journey.mjs"));
}

/// Grantor with an administrator, a read-only user, and a resource at its own port.
struct Stage {
    program: Program,
    _grantor: Server,
    port: Port,
    secret: String,
}

impl Stage {
    async fn set() -> Self {
        let program = Program::on(Engine::Sqlite).await;
        program.bootstrap();
        let reader = [
            "user",
            "create",
            "--org",
            "Acme",
            "--email",
            READER,
            "--role",
            "read_only",
            "--password-stdin",
        ];
        program.run_with_input(reader, &format!("{PASSWORD}\n")).succeeded();
        let port = Port::pick();
        let uri = format!("http://{}/mcp", port.address);
        let create = [
            "resource",
            "create",
            "--uri",
            &uri,
            "--name",
            "Notes",
            "--scopes",
            "mcp_read,mcp_write",
        ];
        let secret = text(&program.json(&create)["secret"]).to_owned();
        let grantor = program.start();
        Self { program, _grantor: grantor, port, secret }
    }

    fn uri(&self) -> String {
        format!("http://{}/mcp", self.port.address)
    }

    fn start(&self, mut server: Command) -> Running {
        server.env("AUTH_SERVER_URL", self.program.url()).env("RESOURCE_URL", self.uri());
        server
            .env("RESOURCE_SECRET", &self.secret)
            .env("PORT", self.port.address.port().to_string());
        Running::spawn(server, "")
    }

    fn each_user_calls_what_the_scopes_allow(&self, client: impl Fn() -> Command) {
        let metadata =
            format!("http://{}/.well-known/oauth-protected-resource/mcp", self.port.address);
        let challenge =
            format!("Bearer resource_metadata=\"{metadata}\", scope=\"mcp_read mcp_write\"");
        let without_token = format!("401 {challenge}");
        let without_scope = format!("403 {challenge}, error=\"insufficient_scope\"");
        let tools = ["read_note", "write_note"];

        let admin = json!({"challenges": [without_token], "tools": tools, "wrote": "saved", "read": "buy milk"});
        assert_eq!(self.journey(client(), ADMIN), admin);
        let challenges = [without_token, without_scope];
        let reader =
            json!({"challenges": challenges, "tools": tools, "wrote": "refused", "read": ""});
        assert_eq!(self.journey(client(), READER), reader);
    }

    fn journey(&self, mut client: Command, email: &str) -> Value {
        client.args([self.uri().as_str(), email, PASSWORD]);
        Running::spawn(client, "").finish().json()
    }
}

fn python_server() -> Command {
    let mut server = Command::new(installed("python/bin/python3"));
    server.arg(sample("python").join("server.py")).env("PYTHONDONTWRITEBYTECODE", "1");
    server
}

/// Node.js looks for packages in the parent folders of a file, so the server is copied next to the
/// installed ones.
fn typescript_server(folder: &Path) -> Command {
    for file in ["server.ts", "package.json"] {
        std::fs::copy(sample("typescript").join(file), folder.join(file))
            .expect("the sample can be copied");
    }
    std::os::unix::fs::symlink(installed("node/node_modules"), folder.join("node_modules"))
        .expect("a link");
    let mut server = Command::new("node");
    server.args(["--import", "tsx", "server.ts"]).current_dir(folder);
    server
}

fn sample(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples").join(language)
}
