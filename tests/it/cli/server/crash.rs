//! An acknowledged registration survives every end of the server.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

use serde_json::json;

use crate::support::{DEADLINE, Program, plain_http};

const CALLERS: usize = 4;
const ANSWERS_BEFORE_THE_CRASH: usize = 100;

on_both! {
    async fn every_acknowledged_registration_survives_a_kill(engine: Engine) {
        let program = Program::on(engine).await
            .with("GRANTOR_LIMITS__REGISTER_PER_MINUTE", "0")
            .with("GRANTOR_LIMITS__REGISTER_PER_SECOND_TOTAL", "0")
            .with("GRANTOR_LIMITS__REQUESTS_PER_MINUTE", "0");
        program.bootstrap();
        let server = program.start();
        let answered = Mutex::new(BTreeSet::new());

        std::thread::scope(|scope| {
            let (sender, received) = channel();
            for caller in 0..CALLERS {
                let (sender, answered) = (sender.clone(), &answered);
                let address = program.address();
                scope.spawn(move || register_until_it_dies(address, caller, answered, &sender));
            }
            for _ in 0..ANSWERS_BEFORE_THE_CRASH {
                received.recv_timeout(DEADLINE).expect("registrations are answered");
            }
            server.signal("KILL");
        });
        drop(server);
        let _restarted = program.start();

        let listed = program.json(&["client", "list", "--all", "--org", "Acme", "--limit", "1000000"]);
        let kept: BTreeSet<&str> = listed.as_array().expect("a list").iter().filter_map(|one| one["id"].as_str()).collect();
        let answered = answered.into_inner().expect("no caller panicked");
        let lost: Vec<&String> = answered.iter().filter(|id| !kept.contains(id.as_str())).collect();
        assert!(answered.len() >= ANSWERS_BEFORE_THE_CRASH);
        assert_eq!(lost, [""; 0]);
    }
}

/// Registers different clients until a registration gets no response.
fn register_until_it_dies(
    address: SocketAddr,
    caller: usize,
    answered: &Mutex<BTreeSet<String>>,
    answers: &Sender<()>,
) {
    let headers = [("Content-Type", "application/json")];
    for number in 0.. {
        let name = format!("Client {number} of caller {caller}");
        let body = json!({"client_name": name, "redirect_uris": ["https://example.com/callback"]})
            .to_string();
        let Ok(answer) =
            plain_http::ask(address, "POST", "/api/v2/oauth2/register", &headers, &body)
        else {
            return;
        };
        assert_eq!(answer.status, 201, "{}", answer.text);
        let id = answer.json()["client_id"].as_str().expect("a client_id").to_owned();
        answered.lock().expect("no caller panicked").insert(id);
        // The test stops listening once it has seen enough.
        let _ = answers.send(());
    }
}
