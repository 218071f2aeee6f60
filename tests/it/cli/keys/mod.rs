//! `grantor keys`, and the key ring that a server starts with.

mod forget;
mod re_encrypt;
mod revoke;
mod rotate;
mod status;

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::support::{Engine, Program, Server};

const OLD: &str = "old:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const NEW: &str = "new:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

const METHODS: &str =
    "/api/v2/integration/webhooks/configuration/auth-method/oauth2-client-credentials";

fn method() -> Value {
    json!({"data": {"type": "webhooks-auth-method-oauth2-client-credentials", "attributes": {
        "name": "A method", "access_token_url": "https://auth.example/token", "client_id": "a", "client_secret": "b",
    }}})
}

fn with_ring(program: &Program, ring: &str) -> Program {
    program.clone().with("GRANTOR_SECRETS__KEY", ring)
}

/// A key of the ring in `keys status`, without values of organizations.
fn ring_key(id: &str, place: &str, signing_keys: u64) -> Value {
    json!({
        "id": id, "place": place, "signing_keys": signing_keys, "auth_methods": 0, "webhooks": 0, "webhook_variables": 0,
        "families": 0,
    })
}

fn kids(server: &Server) -> Vec<Value> {
    let set = server.get("/oauth2/v1/jwks").json();
    set["keys"].as_array().expect("a list").iter().map(|key| key["kid"].clone()).collect()
}

fn states(status: &Value) -> Vec<(&str, &str)> {
    let keys = status["signing_keys"].as_array().expect("a list");
    keys.iter()
        .map(|key| (key["state"].as_str().expect("text"), key["ring_key"].as_str().expect("text")))
        .collect()
}

on_both! {
    async fn a_server_with_a_missing_key_refuses_to_start_with_a_remedy(engine: Engine) {
        let program = Program::on(engine).await;
        let first = with_ring(&program, OLD).start();
        let kid = kids(&first).remove(0);
        first.stop();
        let lost = with_ring(&program, NEW);

        let refused = lost.launch().finish();
        lost.run(["keys", "rotate"]).succeeded();
        let server = lost.start();
        let status = lost.json(&["keys", "status"]);

        let message = format!(
            "the signing key {} cannot be decrypted: it is encrypted with the ring key \"old\", which is not in the ring. Add that \
             ring key after the newest one in `secrets.key` or, if that is not set, in the key file next to the database. \
             If it is lost, `grantor keys rotate` creates a new signing key; tokens that were already signed stay valid",
            kid.as_str().expect("an id")
        );
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
        assert!(refused.stderr.trim_end().ends_with(&message), "{}", refused.stderr);
        assert_eq!((kids(&server).len(), kids(&server).contains(&kid)), (2, true));
        assert_eq!(states(&status), [("retired", "old"), ("signs", "new")]);
        assert_eq!(status["ring"][1], ring_key("old", "missing", 1));
    }
}

#[tokio::test]
async fn servers_started_concurrently_share_their_keys() {
    let program = Program::on(Engine::Postgres).await;
    let (one, other) = (program.launch(), program.replica().launch());
    one.wait_for_log("Grantor is ready");
    other.wait_for_log("Grantor is ready");

    assert_eq!((kids(&one).len(), kids(&one)), (1, kids(&other)));
}

#[tokio::test]
async fn a_key_file_next_to_a_sqlite_file_is_created_once_and_reported() {
    let program = Program::on_the_default_file();
    let first = program.start().stop();
    let text =
        std::fs::read_to_string(program.folder().join("data/grantor.key")).expect("a key file");
    let second = program.start().stop();

    let mode = std::fs::metadata(program.folder().join("data/grantor.key"))
        .expect("a file")
        .permissions()
        .mode();
    let made =
        "a key file was created: keep a copy of it, separate from the backups of the database";
    assert_eq!((mode & 0o777, text.lines().count()), (0o600, 1));
    assert!(
        first.stderr.contains(made) && first.stderr.contains("data/grantor.key"),
        "{}",
        first.stderr
    );
    assert!(!second.stderr.contains(made), "{}", second.stderr);
    assert_eq!(
        std::fs::read_to_string(program.folder().join("data/grantor.key")).expect("a key file"),
        text
    );
    let (id, key) = text.trim_end().split_once(':').expect("id:key");
    assert_eq!(program.json(&["keys", "status"])["ring"][0]["id"], id);
    assert!(!first.stderr.contains(key) && !first.stdout.contains(key));
}

#[tokio::test]
async fn on_postgres_an_https_server_requires_a_key() {
    let program = Program::on(Engine::Postgres)
        .await
        .with("GRANTOR_HTTP__PUBLIC_URL", "https://auth.example.com");

    let refused = program.launch().finish();
    let checked = program.run(["config", "check"]);
    let with_key = with_ring(&program, OLD).start().stop();

    let message = "`secrets.key` is not set, but servers that share a Postgres database need it: set \
                GRANTOR_SECRETS__KEY to the output of `openssl rand -base64 32`, or GRANTOR_SECRETS__KEY_FILE to the path \
                of a file with it. Use the same key on every server";
    refused.failed(1, message);
    checked.failed(3, message);
    assert_eq!(with_key.code, 0);
}

#[tokio::test]
async fn on_postgres_a_trial_uses_a_public_key_and_warns_at_every_start() {
    let program = Program::on(Engine::Postgres).await;
    for _ in 0..2 {
        let stopped = program.start().stop();

        assert!(
            stopped.stderr.contains("encrypted with a publicly known key"),
            "{}",
            stopped.stderr
        );
    }
    assert_eq!(program.json(&["keys", "status"])["ring"][0]["id"], "development");
}
