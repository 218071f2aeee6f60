//! `grantor keys`, and the key ring that a server starts with.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::support::{Engine, Program, Server};

const OLD: &str = "old:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const NEW: &str = "new:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

const METHODS: &str = "/api/v2/integration/webhooks/configuration/auth-method/oauth2-client-credentials";
const METHODS_LIST: &str = "/api/v2/integration/webhooks/configuration/auth-method";
const WEBHOOKS: &str = "/api/v1/integration/webhooks/configuration/webhooks";
const VARIABLES: &str = "/api/v1/integration/webhooks/configuration/custom-variables";

const OPENS: &str = "the ring can decrypt what is encrypted with \"old\", so nothing is lost: `grantor keys re-encrypt` \
                     re-encrypts it with the newest key";
const ASKS: &str = "this deletes 1 auth method, 2 webhooks and 1 webhook variable, the webhooks that use these auth \
                    methods, and their waiting deliveries. Their organizations must create them again. Take a \
                    backup, then run this again with --yes";

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
    keys.iter().map(|key| (key["state"].as_str().expect("text"), key["ring_key"].as_str().expect("text"))).collect()
}

on_both! {
    async fn keys_can_be_shown_rotated_and_resealed_while_a_server_runs(engine: Engine) {
        let program = with_ring(&Program::on(engine).await, OLD);
        let server = program.start();
        let first = program.json(&["keys", "status"]);
        let rotated = program.json(&["keys", "rotate"]);
        let waiting = program.json(&["keys", "status"]);
        program.json(&["keys", "rotate", "--now"]);
        server.stop();
        let both = with_ring(&program, &format!("{NEW},{OLD}"));

        let before = both.json(&["keys", "status"]);
        let done = both.json(&["keys", "re-encrypt"]);
        let again = both.json(&["keys", "re-encrypt"]);
        let after = with_ring(&program, NEW).start();

        assert_eq!((&first["ring"], states(&first)), (&json!([ring_key("old", "newest", 1)]), vec![("signs", "old")]));
        assert_eq!(states(&waiting), [("signs", "old"), ("published", "old")]);
        assert_eq!(waiting["signing_keys"][1]["id"], rotated["id"]);
        assert_eq!(waiting["signing_keys"][1]["signs_from"], rotated["signs_from"]);
        assert_eq!(waiting["signing_keys"][0]["retired_at"], rotated["signs_from"]);
        assert_eq!(before["ring"], json!([ring_key("new", "newest", 0), ring_key("old", "older", 3)]));
        let left = json!([ring_key("old", "older", 0)]);
        assert_eq!(done, json!({"resealed": 3, "unopened": 0, "left": left}));
        assert_eq!(again, json!({"resealed": 0, "unopened": 0, "left": left}));
        assert_eq!(kids(&after).len(), 3);
    }

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

    async fn a_missing_key_of_organizations_is_named_and_re_encrypting_replaces_it(engine: Engine) {
        let program = with_ring(&Program::on(engine).await, OLD);
        let (keys, server) = (program.bootstrap(), program.start());
        let made = server.ask_with(&keys, "POST", METHODS, &method().to_string());
        server.stop();
        let (lost, both) = (with_ring(&program, NEW), with_ring(&program, format!("{NEW},{OLD}").as_str()));

        let refused = lost.launch().finish();
        let before = lost.run(["keys", "re-encrypt"]);
        let kept = both.run(["keys", "status"]);
        let done = both.json(&["keys", "re-encrypt"]);
        let after = lost.start();

        assert_eq!((made.status.as_u16(), refused.code, refused.stdout.as_str()), (201, 1, ""));
        let message = "the ring key \"old\" is not in the ring, and it encrypts 1 signing key and 1 auth method. Add the missing keys \
                    after the newest key in `secrets.key` or, if that is not set, in the key file next to the database. \
                    `grantor keys status` shows what needs which key, and `grantor keys forget` deletes everything that \
                    a lost key has encrypted";
        assert!(refused.stderr.trim_end().ends_with(message), "{}", refused.stderr);
        assert_eq!(
            before.succeeded(),
            "encrypted again with new: 0\ncould not be decrypted with this ring and were left unchanged: 2\nold: missing \
             from the ring; it encrypts 1 signing key and 1 auth method, and no server starts without it\n"
        );
        assert_eq!(
            kept.succeeded().lines().nth(3),
            Some("old  older   1             1             0         0                  0")
        );
        assert_eq!(done, json!({"resealed": 2, "unopened": 0, "left": [ring_key("old", "older", 0)]}));
        assert_eq!(kids(&after).len(), 1);
    }

    async fn forgetting_the_secrets_of_a_lost_key_lets_servers_start(engine: Engine) {
        let program = with_ring(&Program::on(engine).await, OLD);
        let (keys, server) = (program.bootstrap(), program.start());
        let create = |path: &str, body: Value| {
            let made = server.ask_with(&keys, "POST", path, &body.to_string());
            assert_eq!(made.status.as_u16(), 201, "{}", made.text);
            made.json()
        };
        let method = create(METHODS, method());
        create(WEBHOOKS, json!({"name": "uses-it", "url": "https://a.example", "auth_method_id": method["data"]["id"]}));
        create(WEBHOOKS, json!({"name": "by-itself", "url": "https://a.example"}));
        create(VARIABLES, json!({"name": "SECRET", "value": "s", "is_secret": true}));
        server.stop();
        let (lost, both) = (with_ring(&program, NEW), with_ring(&program, &format!("{NEW},{OLD}")));

        let nothing = lost.run(["keys", "forget", "new", "--yes"]);
        let not_lost = both.run(["keys", "forget", "old", "--yes"]);
        let asked = lost.run(["keys", "forget", "old"]);
        let done = lost.json(&["keys", "forget", "old", "--yes"]);
        lost.run(["keys", "rotate", "--now"]).succeeded();
        let server = lost.start();
        let left = server.ask_with(&keys, "GET", METHODS_LIST, "");

        nothing.failed(1, "no organization has secrets encrypted with \"new\"; `grantor keys status` lists all keys");
        not_lost.failed(1, OPENS);
        asked.failed(2, ASKS);
        assert_eq!(done, json!({"auth_methods": 1, "webhooks": 2, "webhook_variables": 1}));
        assert_eq!((left.status.as_u16(), &left.json()["data"]), (200, &json!([])));
    }

    async fn a_revoked_key_leaves_the_key_set_of_a_running_server_within_thirty_seconds(engine: Engine) {
        let program = Program::on(engine).await;
        let server = program.start();
        let old = kids(&server).remove(0);
        let old = old.as_str().expect("an id");

        let unknown = program.run(["keys", "revoke", "-no-such-key"]);
        let revoked = program.json(&["keys", "revoke", &old[..12]]);
        server.wait_for_log("signing keys were removed from the key set");
        let text = program.run(["keys", "revoke", revoked["signs_now"]["id"].as_str().expect("an id")]);

        assert_eq!((unknown.code, unknown.stdout.as_str()), (1, ""));
        assert_eq!(revoked, json!({
            "revoked": {"id": old, "algorithm": "ES256"},
            "signs_now": {"id": revoked["signs_now"]["id"], "is_new": true},
            "families": 0,
            "last_token_ends_at": revoked["last_token_ends_at"],
            "servers_within_seconds": 30,
            "key_set_cached_for_seconds": 60,
        }));
        assert_eq!(kids(&server), [revoked["signs_now"]["id"].clone()]);
        let message = text.succeeded();
        for part in ["Revoked the signing key ", ", a new key, signs now.", "within 30 seconds", "at most 60 seconds",
            "no access token that Grantor signed with it is still valid", "grantor restore --revoke-everything"] {
            assert!(message.contains(part), "{part}: {message}");
        }
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
async fn servers_started_concurrently_share_their_keys() {
    let program = Program::on(Engine::Postgres).await;
    let (one, other) = (program.launch(), program.replica().launch());
    one.wait_for_log("Grantor is ready");
    other.wait_for_log("Grantor is ready");

    assert_eq!((kids(&one).len(), kids(&one)), (1, kids(&other)));
}

#[tokio::test]
async fn keys_are_printed_as_two_tables_and_a_summary() {
    let program = with_ring(&Program::on(Engine::Sqlite).await, OLD);
    program.start().stop();
    let both = with_ring(&program, &format!("{NEW},{OLD}"));

    let status = both.run(["keys", "status"]);
    let before = with_ring(&program, NEW).run(["keys", "re-encrypt"]);
    let done = both.run(["keys", "re-encrypt"]);
    let rotated = both.run(["keys", "rotate", "--now"]);

    let lines: Vec<&str> = status.succeeded().lines().collect();
    assert!(lines[0].starts_with("Key ring: "), "{lines:?}");
    assert_eq!(
        lines[1..5],
        [
            "ID   PLACE   SIGNING KEYS  AUTH METHODS  WEBHOOKS  WEBHOOK VARIABLES  FAMILIES",
            "new  newest  0             0             0         0                  0",
            "old  older   1             0             0         0                  0",
            "",
        ]
    );
    assert_eq!(lines[5], "Signing keys");
    assert_eq!(lines.len(), 8);
    assert_eq!(
        before.succeeded(),
        "encrypted again with new: 0\ncould not be decrypted with this ring and were left unchanged: 1\nold: missing \
         from the ring; it encrypts 1 signing key, which can verify tokens but not sign them\n"
    );
    assert_eq!(
        done.succeeded(),
        "encrypted again with new: 1\nold: no longer needed; it can be removed from the ring\n"
    );
    assert_eq!(done.stderr, "");
    assert!(rotated.succeeded().ends_with("servers see it within 30 seconds\n"), "{}", rotated.stdout);
}

#[tokio::test]
async fn a_key_file_next_to_a_sqlite_file_is_created_once_and_reported() {
    let program = Program::on_the_default_file();
    let first = program.start().stop();
    let text = std::fs::read_to_string(program.folder().join("data/grantor.key")).expect("a key file");
    let second = program.start().stop();

    let mode = std::fs::metadata(program.folder().join("data/grantor.key")).expect("a file").permissions().mode();
    let made = "a key file was created: keep a copy of it, separate from the backups of the database";
    assert_eq!((mode & 0o777, text.lines().count()), (0o600, 1));
    assert!(first.stderr.contains(made) && first.stderr.contains("data/grantor.key"), "{}", first.stderr);
    assert!(!second.stderr.contains(made), "{}", second.stderr);
    assert_eq!(std::fs::read_to_string(program.folder().join("data/grantor.key")).expect("a key file"), text);
    let (id, key) = text.trim_end().split_once(':').expect("id:key");
    assert_eq!(program.json(&["keys", "status"])["ring"][0]["id"], id);
    assert!(!first.stderr.contains(key) && !first.stdout.contains(key));
}

#[tokio::test]
async fn on_postgres_an_https_server_requires_a_key() {
    let program = Program::on(Engine::Postgres).await.with("GRANTOR_HTTP__PUBLIC_URL", "https://auth.example.com");

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

        assert!(stopped.stderr.contains("encrypted with a publicly known key"), "{}", stopped.stderr);
    }
    assert_eq!(program.json(&["keys", "status"])["ring"][0]["id"], "development");
}
