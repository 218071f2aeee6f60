//! Webhooks of the program: the receiver of the guide, and a server that is killed.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Sender, channel};

use serde_json::{Value, json};

use crate::support::{
    DEADLINE, Port, Program, Reply, Running, Server, Site, plain_http, restriction_path, until,
    upsert,
};

const WEBHOOKS: &str = "/api/v1/integration/webhooks/configuration/webhooks";
const CALLERS: usize = 4;
/// More clients than can be restricted before the server is killed.
const CLIENTS: usize = 200;
const ANSWERS_BEFORE_THE_KILL: usize = 40;

fn create(server: &Server, keys: &Value, url: &str) -> String {
    let webhook = json!({"name": "events", "url": url}).to_string();
    let made = server.ask_with(keys, "POST", WEBHOOKS, &webhook);
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()["signing_secret"].as_str().expect("a secret").to_owned()
}

fn restrict(server: &Server, keys: &Value, client_id: &str) {
    let body = upsert(&[], &["mcp_read"]).to_string();
    let answer = server.ask_with(keys, "POST", &restriction_path(client_id), &body);
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// Restricts one client after the other until a request gets no response.
fn restrict_until_it_dies(
    address: SocketAddr,
    keys: &Value,
    clients: &[String],
    answered: &Sender<()>,
) {
    let key = |name: &str| keys[name].as_str().expect("a key");
    let headers = [
        ("DD-API-KEY", key("api_key")),
        ("DD-APPLICATION-KEY", key("application_key")),
        ("Content-Type", "application/json"),
    ];
    let body = upsert(&[], &["mcp_read"]).to_string();
    for client_id in clients {
        let Ok(answer) =
            plain_http::ask(address, "POST", &restriction_path(client_id), &headers, &body)
        else {
            return;
        };
        assert_eq!(answer.status, 200, "{}", answer.text);
        // The test stops listening once it has seen enough.
        let _ = answered.send(());
    }
}

fn is_restricted(server: &Server, keys: &Value, client_id: &str) -> bool {
    let answer = server.ask_with(keys, "GET", &restriction_path(client_id), "");
    assert_eq!(answer.status, 200, "{}", answer.text);
    !answer.json()["data"]["attributes"]["scopes_restriction"].is_null()
}

fn client_of(event: &Value) -> String {
    event["data"]["client"]["id"].as_str().expect("a client").to_owned()
}

/// The first Python example of the guide.
fn receiver_of_the_guide() -> String {
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/webhooks.md"))
        .expect("the guide");
    let (_, from) = guide.split_once("```python\n").expect("a receiver");
    from.split_once("```").expect("its end").0.to_owned()
}

on_both! {
    async fn the_receiver_of_the_guide_accepts_signed_events(engine: Engine) {
        let program = Program::on(engine).await.with("GRANTOR_WEBHOOKS__ALLOW_LOOPBACK", "true");
        let (keys, server) = (program.bootstrap(), program.start());
        let port = Port::pick();
        let secret = create(&server, &keys, &format!("http://{}/", port.address));
        let mut python = Command::new("python3");
        python.args(["-c", &receiver_of_the_guide()]).env("PORT", port.address.port().to_string()).env("SIGNING_SECRET", secret);
        let receiver = Running::spawn(python, "");
        until("the receiver listens", async || TcpStream::connect(port.address).is_ok()).await;

        restrict(&server, &keys, &server.registered("App"));

        receiver.wait_for_error("\"POST / HTTP/1.1\" 204");
        let listed = || program.json(&["webhook", "deliveries", "--org", "Acme", "--webhook", "events"]);
        until("it is noted", async || listed()[0]["state"] == "delivered").await;
        assert_eq!(listed()[0]["status"], 204);
        let metrics = server.management("/metrics").text;
        assert!(metrics.contains("grantor_webhook_attempts_total{outcome=\"delivered\"} 1"), "{metrics}");
    }

    async fn committed_events_are_delivered_after_a_kill(engine: Engine) {
        let program = Program::on(engine).await
            .with("GRANTOR_WEBHOOKS__ALLOW_LOOPBACK", "true")
            .with("GRANTOR_LIMITS__REGISTER_PER_MINUTE", "0")
            .with("GRANTOR_LIMITS__REGISTER_PER_SECOND_TOTAL", "0")
            .with("GRANTOR_LIMITS__REQUESTS_PER_MINUTE", "0")
            .with("GRANTOR_LIMITS__OPERATOR_PER_MINUTE", "0");
        let silent = program.clone().with("GRANTOR_WEBHOOKS__ENABLED", "false");
        let (keys, hook) = (program.bootstrap(), Site::answering(Reply::status(200)).await);
        let server = silent.start();
        create(&server, &keys, &hook.url("/"));
        let clients: Vec<String> = (0..CLIENTS).map(|number| server.registered(&format!("App {number}"))).collect();

        std::thread::scope(|scope| {
            let (answered, answers) = channel();
            for of_caller in clients.chunks(CLIENTS / CALLERS) {
                let (answered, keys, address) = (answered.clone(), &keys, program.address());
                scope.spawn(move || restrict_until_it_dies(address, keys, of_caller, &answered));
            }
            for _ in 0..ANSWERS_BEFORE_THE_KILL {
                answers.recv_timeout(DEADLINE).expect("is answered");
            }
            server.signal("KILL");
        });
        drop(server);
        let restarted = program.start();

        let restricted: BTreeSet<String> = clients.into_iter().filter(|id| is_restricted(&restarted, &keys, id)).collect();
        let got = hook.wait_for_requests(restricted.len()).await;
        let delivered: BTreeSet<String> = got.iter().map(|got| client_of(&got.json())).collect();
        assert!((ANSWERS_BEFORE_THE_KILL..CLIENTS).contains(&restricted.len()), "{}", restricted.len());
        assert_eq!(delivered, restricted);
        let all = program.json(&["webhook", "deliveries", "--org", "Acme", "--webhook", "events", "--limit", "1000"]);
        assert_eq!(all.as_array().expect("a list").len(), restricted.len());
    }
}
