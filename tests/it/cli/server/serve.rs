//! `grantor serve` starts, and stops without losing a request.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use serde_json::json;

use crate::support::errors::oauth;
use crate::support::{Engine, Port, Program, plain_http, until};

on_both! {
    async fn a_server_is_ready_when_it_logs_so(engine: Engine) {
        let server = Program::on(engine).await.start();

        server.management("/readyz").is(200, &json!({"status": "ready"}));
        server.management("/healthz").is(200, &json!({"status": "ok"}));
        assert_eq!(server.get("/api/v2/oauth2/.well-known/sites").status, 200);
    }

    async fn a_running_request_is_answered_before_the_server_stops(engine: Engine) {
        let program = Program::on(engine).await;
        let server = program.start();
        let (mut stream, body) = half_a_registration(&program);

        server.terminate();
        server.wait_for_log("stopping: finishing open requests");
        stream.write_all(&body.as_bytes()[10..]).expect("the other half is taken");
        let answer = plain_http::read_answer(&mut stream).expect("an answer");

        assert_eq!((answer.status.as_u16(), answer.header("connection")), (201, Some("close")));
        assert_eq!(server.finish().code, 0);
    }

    async fn the_server_prints_the_settings_for_mcp_servers(engine: Engine) {
        let program = Program::on(engine).await.with("GRANTOR_LOG__FORMAT", "text");
        let server = program.start();

        let line = format!("\"authorization_servers\": [\"{}\"]", program.url());
        server.wait_for_log(&line);
        assert!(program.run(["config", "print"]).succeeded().ends_with(&format!("# {line}\n")));
    }
}

#[tokio::test]
async fn two_servers_can_start_concurrently_on_an_empty_postgres() {
    let program = Program::on(Engine::Postgres).await;
    let (one, other) = (program.launch(), program.replica().launch());
    one.wait_for_log("Grantor is ready");
    other.wait_for_log("Grantor is ready");

    let (one_id, other_id) = (one.registered("A client"), other.registered("A client"));

    assert_eq!(one_id, other_id);
}

#[tokio::test]
async fn a_second_server_on_one_sqlite_file_is_refused_but_commands_are_not() {
    let program = Program::on(Engine::Sqlite).await;
    let link = program.folder().join("link.db");
    let first = program.start();
    std::os::unix::fs::symlink(program.folder().join("grantor.db"), &link).expect("is linked");
    let by_link =
        program.replica().with("GRANTOR_DATABASE__URL", format!("sqlite:{}", link.display()));
    let by_link = by_link.with("GRANTOR_SECRETS__KEY", "a-key-that-is-set-and-so-is-not-made");

    let refused = program.replica().launch().finish();
    let refused_by_link = by_link.launch().finish();
    let beside = program.run(["org", "list"]);

    let message = |path: &std::path::Path| {
        format!(
            "another server already uses the SQLite file {}: stop it first, or use Postgres, which any number of servers \
             can share",
            path.display()
        )
    };
    refused.failed(1, &message(&program.folder().join("grantor.db")));
    refused_by_link.failed(1, &message(&link));
    beside.succeeded();
    assert_eq!(first.management("/readyz").status, 200);
}

#[tokio::test]
async fn a_crash_releases_the_sqlite_file() {
    let program = Program::on(Engine::Sqlite).await;
    let first = program.start();

    first.signal("KILL");
    let second = until_started(&program);

    assert_eq!(second.management("/readyz").status, 200);
}

/// The system releases the lock a moment after the signal, when the process has ended.
fn until_started(program: &Program) -> crate::support::Server {
    loop {
        let server = program.launch();
        if server.is_ready_or_refused("another server already uses") {
            return server;
        }
    }
}

#[tokio::test]
async fn http_on_a_public_host_logs_a_warning_and_on_localhost_does_not() {
    let program = Program::on(Engine::Sqlite).await;
    let warning = "`http.public_url` is http on another host";

    let trial = program.start().stop();
    let plain =
        program.clone().with("GRANTOR_HTTP__PUBLIC_URL", "http://auth.example.com").start().stop();
    let encrypted =
        program.with("GRANTOR_HTTP__PUBLIC_URL", "https://auth.example.com").start().stop();

    assert!(
        plain.stderr.contains(warning) && plain.stderr.contains("http://auth.example.com"),
        "{}",
        plain.stderr
    );
    assert!(!trial.stderr.contains(warning) && !encrypted.stderr.contains(warning));
}

/// The system sends this signal at a write beyond the maximum file size.
#[tokio::test]
async fn a_database_file_that_cannot_grow_does_not_stop_the_server() {
    let server = Program::on(Engine::Sqlite).await.start();
    let before = server.registered("A client");

    server.signal("XFSZ");

    assert_eq!(server.registered("A client"), before);
    server.terminate();
    assert_eq!(server.finish().code, 0);
}

/// A registration whose body is incomplete: the server has confirmed that it waits for the rest.
fn half_a_registration(program: &Program) -> (TcpStream, String) {
    let body = json!({"client_name": "In time", "redirect_uris": ["https://example.com/callback"]})
        .to_string();
    let mut stream = TcpStream::connect(program.address()).expect("connects");
    let head = format!(
        "POST /api/v2/oauth2/register HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        program.address(),
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("the head is taken");
    let mut response = [0; 25];
    stream.read_exact(&mut response).expect("the server wants the body");
    assert_eq!(&response, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&body.as_bytes()[..10]).expect("half of the body is taken");
    (stream, body)
}

#[tokio::test]
async fn a_stopping_server_accepts_no_connections_and_is_not_ready() {
    let program = Program::on(Engine::Sqlite).await;
    let server = program.start();
    let _under_way = half_a_registration(&program);

    server.terminate();
    server.wait_for_log("stopping: finishing open requests");
    until("the listener closes", async || TcpStream::connect(program.address()).is_err()).await;

    server.management("/readyz").is(503, &json!({"status": "stopping"}));
    server.management("/healthz").is(200, &json!({"status": "ok"}));
    let refused = program.run(["healthcheck"]);
    let management = program.variable("GRANTOR_HTTP__MANAGEMENT_LISTEN").expect("a listener");
    refused.failed(
        3,
        &format!(
            "not ready: {management}/readyz returned HTTP/1.1 503 Service Unavailable: stopping"
        ),
    );
}

#[tokio::test]
async fn an_endless_request_does_not_prevent_shutdown() {
    let program = Program::on(Engine::Sqlite).await.with("GRANTOR_HTTP__SHUTDOWN_TIMEOUT", "1");
    let server = program.start();
    let _never_sent_whole = half_a_registration(&program);

    let stopped = server.stop();

    assert_eq!(stopped.code, 0);
    assert!(
        stopped
            .stderr
            .contains("some requests were still running when the shutdown timeout expired")
    );
}

#[tokio::test]
async fn ctrl_c_stops_the_server() {
    let server = Program::on(Engine::Sqlite).await.start();

    server.signal("INT");

    assert_eq!(server.finish().code, 0);
}

#[tokio::test]
async fn a_port_in_use_is_reported_with_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let program = Program::on(Engine::Sqlite).await.with("GRANTOR_HTTP__LISTEN", &address);
    let program = program.with("GRANTOR_SECRETS__KEY", "a-key-that-is-set-and-so-is-not-made");

    let refused = program.launch().finish();

    refused.failed(
        1,
        &format!(
            "cannot listen on {address}: Address already in use (os error 98). Is another server running there? \
             `http.listen` and `http.management_listen` set the addresses"
        ),
    );
}

#[tokio::test]
async fn a_server_waits_for_its_database_returns_503_and_can_be_stopped() {
    let nobody = Port::pick();
    let url = format!("postgres://grantor@{}/grantor", nobody.address);
    let server = Program::on_the_default_file().with("GRANTOR_DATABASE__URL", url).launch();
    server.wait_for_log("waiting for the database");
    server.wait_for_log(&format!(
        "Postgres at {} cannot be reached: Connection refused",
        nobody.address
    ));

    let ready = server.management("/readyz");
    let document = server.get("/api/v2/oauth2/.well-known/sites");
    let registration = server.post("/api/v2/oauth2/register", &json!({}));
    let stopped = server.stop();

    let description = "the server is starting and waiting for its database; retry in a second";
    document.is(503, &json!({"errors": [description]}));
    registration.is(503, &oauth("temporarily_unavailable", description));
    assert_eq!(registration.header("retry-after"), Some("1"));
    ready.is(503, &json!({"status": "the database does not answer"}));
    assert_eq!((stopped.code, stopped.stdout.as_str()), (0, ""));
}

#[test]
fn a_command_reports_host_port_and_cause_if_postgres_is_unreachable() {
    let nobody = Port::pick();
    let url = format!("postgres://grantor:hunter2@{}/grantor", nobody.address);

    let refused =
        Program::on_the_default_file().with("GRANTOR_DATABASE__URL", url).run(["org", "list"]);

    refused.failed(
        1,
        &format!(
            "the database postgres://***@{0}/grantor cannot be used: Postgres at {0} cannot be reached: Connection refused \
             (os error 111)",
            nobody.address
        ),
    );
}
