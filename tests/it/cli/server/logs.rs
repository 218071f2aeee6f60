//! What the server writes to standard error.

use serde_json::{Value, json};

use crate::support::{DATABASE_PASSWORD, Engine, Port, Program, restriction_path};

on_both! {
    async fn no_log_or_response_contains_a_secret(engine: Engine) {
        let sealing_key = "a-sealing-key-of-more-than-32-characters";
        let program = Program::on(engine).await
            .with("GRANTOR_LOG__LEVEL", "trace")
            .with("GRANTOR_SECRETS__KEY", sealing_key);
        let keys = program.bootstrap();
        let server = program.start();
        let client = server.registered("A client");
        let wanted = crate::support::upsert(&["openid"], &[]).to_string();
        let wrong = json!({"api_key": "a-wrong-key-of-somebody", "application_key": "another-wrong-key-of-somebody"});

        let restricted = server.ask_with(&keys, "POST", &restriction_path(&client), &wanted);
        let refused = server.ask_with(&wrong, "GET", &restriction_path(&client), "");
        let stopped = server.stop();

        assert_eq!((restricted.status.as_u16(), refused.status.as_u16()), (200, 403));
        let secrets = [
            &keys["api_key"], &keys["application_key"], &keys["user"]["password"], &json!(DATABASE_PASSWORD),
            &json!(sealing_key), &wrong["api_key"], &wrong["application_key"],
        ];
        for secret in secrets.map(|secret| secret.as_str().expect("a secret")) {
            let line = stopped.stderr.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret}");
        }
        assert!(stopped.stderr.contains("client registered"), "{}", stopped.stderr);
    }
}

#[tokio::test]
async fn without_a_terminal_each_event_is_one_line_of_json() {
    let program = Program::on(Engine::Sqlite).await;
    let server = program.start();
    server.wait_for_log("for the RFC 9728 metadata");
    let client = server.registered("Name with \\ and \" and é");

    let events = events(&server.stop().stderr);

    let ready = events.iter().find(|event| event["message"] == "Grantor is ready").expect("a line");
    assert_eq!(ready["database"], "sqlite");
    assert_eq!(ready["listen"], json!(program.address().to_string()));
    let registered = events
        .iter()
        .find(|event| event["message"] == "client registered")
        .expect("a registration");
    assert_eq!(registered["client.name"], "Name with \\ and \" and é");
    assert_eq!(registered["client.id"], json!(client));
    let messages: Vec<&Value> = events.iter().map(|event| &event["message"]).collect();
    let metadata = format!(
        "for the RFC 9728 metadata of an MCP server: \"authorization_servers\": [\"{}\"]",
        program.url()
    );
    let expected = [
        "a key file was created: keep a copy of it, separate from the backups of the database",
        "a signing key was created",
        "Grantor is ready",
        &metadata,
        "client registered",
        "stopping: finishing open requests",
        "stopped",
    ];
    assert_eq!(json!(messages), json!(expected));
}

#[tokio::test]
async fn a_text_event_is_one_line_whatever_a_client_sends() {
    let program = Program::on(Engine::Sqlite)
        .await
        .with("GRANTOR_LOG__FORMAT", "text")
        .with("GRANTOR_LOG__LEVEL", "debug");
    let server = program.start();
    let hostile = "A\r\n\u{1b}[31mERROR forged\u{2028}\u{202e}";

    let refused = server.post(
        "/api/v2/oauth2/register",
        &json!({"client_name": hostile, "redirect_uris": ["https://example.com/callback"]}),
    );
    let lost = server.get("/no/such/path%0d%0aERROR%20forged%1b[31m");
    let stopped = server.stop();

    assert_eq!((refused.status.as_u16(), lost.status.as_u16()), (400, 404));
    for line in stopped.stderr.lines() {
        assert!(
            line.starts_with("20") && !line.contains(['\u{1b}', '\r', '\u{2028}', '\u{202e}']),
            "{line:?}"
        );
    }
}

#[tokio::test]
async fn a_password_in_a_misspelled_database_url_parameter_is_not_logged() {
    let nobody = Port::pick();
    let url = format!("postgres://grantor@{}/grantor?pasword={DATABASE_PASSWORD}", nobody.address);
    let program = Program::on_the_default_file().with("GRANTOR_DATABASE__URL", url);
    let server = program.with("GRANTOR_LOG__LEVEL", "trace").launch();
    server.wait_for_log("waiting for the database");

    let stopped = server.stop();

    assert!(!stopped.stderr.contains(DATABASE_PASSWORD), "{}", stopped.stderr);
}

fn events(log: &str) -> Vec<Value> {
    log.lines()
        .map(|line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
        })
        .collect()
}
