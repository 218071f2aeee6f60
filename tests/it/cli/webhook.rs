//! `grantor webhook`, and that no secret of a webhook is logged.

use grantor::db::engine::Db;
use grantor::db::engine::connect::Target;
use grantor::db::orgs;
use grantor::db::webhooks::auth_methods::AuthMethod;
use grantor::rules::secret::Secret;
use grantor::sealing::KeyRing;
use serde_json::{Value, json};

use crate::support::auth_method::{CLIENT_SECRET, TOKEN, auth_method, store, token_answer};
use crate::support::{
    Engine, Program, ReceivedRequest, Reply, Server, Site, restriction_path, upsert,
};

const KEY: &str = "2026:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

/// A server with an organization, its keys, and an auth method.
async fn stage(engine: Engine, access_token_url: &str) -> (Program, Value, AuthMethod) {
    let program = Program::on(engine)
        .await
        .with("GRANTOR_WEBHOOKS__ALLOW_LOOPBACK", "true")
        .with("GRANTOR_SECRETS__KEY", KEY);
    let keys = program.bootstrap();
    let db = Db::open(&target(&program)).expect("the database opens");
    let org = orgs::find_by_name(&db, "Acme").await.expect("answers").expect("an organization");
    let ring = KeyRing::parse(&Secret::new(KEY.to_owned())).expect("a ring");
    let method = auth_method(&ring, org.id, access_token_url);
    store(&db, &method).await;
    db.close().await;
    (program, keys, method)
}

fn target(program: &Program) -> Target {
    let time = std::time::Duration::from_secs(10);
    Target {
        location: program.location(),
        max_connections: 1,
        acquire_timeout: time,
        query_timeout: time,
    }
}

fn create(server: &Server, keys: &Value, webhook: Value) {
    const PATH: &str = "/api/v1/integration/webhooks/configuration/webhooks";
    let made = server.ask_with(keys, "POST", PATH, &webhook.to_string());
    assert_eq!(made.status, 201, "{}", made.text);
}

const LIST: [&str; 4] = ["webhook", "list", "--org", "Acme"];
const DELIVERIES: [&str; 6] = ["webhook", "deliveries", "--org", "Acme", "--webhook", "Ours"];
const REPLAY: [&str; 6] = ["webhook", "replay", "--org", "Acme", "--webhook", "Ours"];
const TEST: [&str; 5] = ["webhook", "test", "--org", "Acme", "--auth-method"];

on_both! {
    async fn an_auth_method_can_be_tested_by_name_or_id(engine: Engine) {
        let endpoint = Site::answering(Reply::json(token_answer(3_600))).await;
        let (program, _, method) = stage(engine, &endpoint.url("/token")).await;
        let id = method.id.0.to_string();

        let (by_name, by_id, text) = tokio::task::spawn_blocking(move || {
            let with = |which: &str| program.json(&[&TEST[..], &[which]].concat());
            (with("Receivers"), with(&id), program.run(TEST.iter().chain(&["Receivers"])))
        })
        .await
        .expect("ends");

        for mut report in [by_name, by_id] {
            assert!(report["duration_ms"].is_u64() && report["requested_at"].is_string(), "{report}");
            let token = json!({"type": "Bearer", "expires_in": 3_600, "scope": "events"});
            let expected = json!({
                "id": method.id,
                "name": "Receivers",
                "succeeded": true,
                "status": 200,
                "failure": null,
                "token": token,
                "duration_ms": report["duration_ms"].take(),
                "requested_at": report["requested_at"].take(),
            });
            report["duration_ms"] = expected["duration_ms"].clone();
            report["requested_at"] = expected["requested_at"].clone();
            assert_eq!(report, expected);
        }
        let text = text.succeeded();
        assert!(text.starts_with("\"Receivers\" returned an access token in "), "{text}");
        assert!(text.ends_with(" ms: valid for 3600 seconds, scope events\n"), "{text}");
        assert_eq!(endpoint.requests().len(), 3);
    }

    async fn a_failed_test_exits_with_3_and_its_cause(engine: Engine) {
        let endpoint = Site::answering(Reply::status(401)).await;
        let (program, _, _) = stage(engine, &endpoint.url("/token")).await;

        let (text, as_json, unknown, no_org) = tokio::task::spawn_blocking(move || {
            let run = |more: &[&str]| program.run([&TEST[..], more].concat());
            let no_org = program.run(["webhook", "test", "--org", "Nobody", "--auth-method", "Receivers"]);
            (run(&["Receivers"]), run(&["Receivers", "--output", "json"]), run(&["Others"]), no_org)
        })
        .await
        .expect("ends");

        text.failed(3, "no access token: 127.0.0.1 responded with status 401");
        assert_eq!(as_json.code, 3);
        let report: Value = serde_json::from_str(&as_json.stdout).expect("JSON");
        assert_eq!((&report["succeeded"], &report["status"], &report["token"]), (&json!(false), &json!(401), &json!(null)));
        assert_eq!(report["failure"], "no access token: 127.0.0.1 responded with status 401");
        unknown.failed(1, "\"Acme\" has no auth method \"Others\"");
        no_org.failed(1, "no organization is named \"Nobody\"; `grantor org list` lists all");
    }

    async fn no_log_or_response_contains_a_secret_or_token(engine: Engine) {
        let hostile = format!("{TOKEN} {CLIENT_SECRET}");
        let tokens_given = std::sync::atomic::AtomicBool::new(false);
        let endpoint = Site::deciding(move |asked| match asked.form("client_secret") {
            Some(_) if !tokens_given.swap(true, std::sync::atomic::Ordering::Relaxed) => Reply::json(token_answer(60)),
            _ => Reply::status(401).with_body(&hostile),
        })
        .await;
        let (program, keys, method) = stage(engine, &endpoint.url("/token")).await;
        let path = format!(
            "/api/v2/integration/webhooks/configuration/auth-method/oauth2-client-credentials/{}/test",
            method.id.0
        );

        let (answers, command, stopped) = tokio::task::spawn_blocking(move || {
            let program = program.with("GRANTOR_LOG__LEVEL", "trace");
            let server = program.start();
            let answers = [(); 2].map(|()| server.ask_with(&keys, "POST", &path, ""));
            (answers, program.run(TEST.iter().chain(&["Receivers"])), server.stop())
        })
        .await
        .expect("ends");

        let succeeded = answers.each_ref().map(|answer| answer.json()["data"]["attributes"]["succeeded"].clone());
        assert_eq!(succeeded, [json!(true), json!(false)], "{answers:?}");
        assert!(stopped.stderr.contains("could not get an access token"), "{}", stopped.stderr);
        let in_the_header = endpoint.requests()[0].header("authorization").expect("a header")["Basic ".len()..].to_owned();
        let in_the_body = endpoint.requests()[1].body.rsplit('=').next().expect("a secret").to_owned();
        // The end of the secret is the same in every encoding except one.
        for secret in ["never shown", TOKEN, &in_the_header, &in_the_body] {
            for text in [&answers[0].text, &answers[1].text, &command.stdout, &command.stderr, &stopped.stderr] {
                assert_eq!(text.lines().find(|line| line.contains(secret)), None, "{secret}");
            }
        }
    }

    async fn webhooks_are_listed_by_name(engine: Engine) {
        let program = Program::on(engine).await;
        let keys = program.bootstrap();
        let server = program.start();
        let (empty, as_json) = (program.run(LIST), program.json(&LIST));
        assert_eq!((empty.succeeded(), as_json), ("NAME  URL  EVENTS  AUTH METHOD ID  CREATED AT\n", json!([])));
        create(&server, &keys, json!({"name": "Two", "url": "https://two.example/", "events": ["grant.given"]}));
        create(&server, &keys, json!({"name": "One", "url": "https://one.example/"}));

        let mut listed = program.json(&LIST);

        for webhook in listed.as_array_mut().expect("a list") {
            let (id, created_at) = (webhook["id"].take(), webhook["created_at"].take());
            assert!(id.is_string() && created_at.is_string(), "{id} {created_at}");
        }
        let one = json!({"name": "One", "url": "https://one.example/", "events": null});
        let two = json!({"name": "Two", "url": "https://two.example/", "events": ["grant.given"]});
        let expected = [one, two].map(|mut webhook| {
            (webhook["id"], webhook["created_at"], webhook["auth_method_id"]) = Default::default();
            webhook
        });
        assert_eq!(listed, json!(expected));
        let text = program.run(LIST);
        let lines: Vec<&str> = text.succeeded().lines().collect();
        assert!(lines.len() == 3 && lines[1].starts_with("One   https://one.example/  -"), "{lines:?}");
        assert!(lines[2].starts_with("Two   https://two.example/  grant.given"), "{lines:?}");
    }

    async fn parked_deliveries_can_be_listed_and_sent_again(engine: Engine) {
        let hook = Site::answering(Reply::status(410)).await;
        let program = Program::on(engine).await.with("GRANTOR_WEBHOOKS__ALLOW_LOOPBACK", "true");
        let keys = program.bootstrap();
        let server = program.start();
        create(&server, &keys, json!({"name": "Ours", "url": hook.url("/")}));
        let client = server.registered("App");
        for scopes in [["mcp_read"], ["mcp_write"]] {
            let body = upsert(&[], &scopes).to_string();
            assert_eq!(server.ask_with(&keys, "POST", &restriction_path(&client), &body).status, 200);
        }
        hook.wait_for_requests(2).await;
        server.stop();

        let all = program.json(&DELIVERIES);
        let with = |more: &[&str]| program.json(&[&DELIVERIES[..], more].concat());
        assert_eq!(with(&["--state", "parked"]), all);
        assert_eq!((with(&["--limit", "1"]), with(&["--state", "waiting"])), (json!([all[0]]), json!([])));
        let (newest, oldest) = (&all[0], &all[1]);
        assert!(newest["id"].as_str() > oldest["id"].as_str() && all[2].is_null(), "{all}");
        let id = oldest["id"].as_str().expect("an id");
        let expected = json!({
            "id": id, "event": "restriction.changed", "client_id": client, "occurred_at": oldest["occurred_at"],
            "state": "parked", "attempts": 1, "attempted_at": oldest["attempted_at"], "status": 410,
            "failure": "the receiver returned 410",
        });
        assert_eq!(oldest, &expected);
        let text = program.run(DELIVERIES);
        let (heading, rest) = text.succeeded().split_once('\n').expect("lines");
        let columns: Vec<&str> = heading.split("  ").map(str::trim).filter(|column| !column.is_empty()).collect();
        let expected =
            ["ID", "EVENT", "CLIENT ID", "STATE", "ATTEMPTS", "ATTEMPTED AT", "STATUS", "FAILURE"];
        assert_eq!(columns, expected);
        assert!(rest.starts_with(newest["id"].as_str().expect("an id")) && rest.contains("410     the receiver returned 410"), "{rest}");

        let replay = |more: &[&str]| program.run([&REPLAY[..], more].concat());
        assert_eq!(replay(&["--delivery", id]).succeeded(), "sent again: 1\n");
        let none = format!("no parked delivery of \"Ours\" has the id {id}; `grantor webhook deliveries` lists all");
        replay(&["--delivery", id]).failed(1, &none);
        assert_eq!(program.json(&REPLAY), json!({"replayed": 1}));
        assert_eq!(replay(&[]).succeeded(), "sent again: 0\n");
        hook.answer(Reply::status(204));
        let _restarted = program.start();
        let got = hook.wait_for_requests(4).await;
        let ids: Vec<&str> = got[2..].iter().map(ReceivedRequest::event_id).collect();
        assert_eq!(json!(ids), json!([oldest["id"], newest["id"]]), "in the order in which they happened");
    }

    async fn unknown_names_are_reported_and_invalid_states_are_usage_errors(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let no_org = "no organization is named \"Nobody\"; `grantor org list` lists all";
        let no_webhook = "\"Acme\" has no webhook \"Ours\"; `grantor webhook list` lists all";

        program.run(["webhook", "list", "--org", "Nobody"]).failed(1, no_org);
        for command in ["deliveries", "replay"] {
            program.run(["webhook", command, "--org", "Nobody", "--webhook", "Ours"]).failed(1, no_org);
            program.run(["webhook", command, "--org", "Acme", "--webhook", "Ours"]).failed(1, no_webhook);
            assert_eq!(program.run(["webhook", command, "--org", "Acme"]).code, 2);
        }
        let no_state = program.run(DELIVERIES.iter().chain(&["--state", "lost"]));
        assert!(no_state.code == 2 && no_state.stderr.contains("the state must be waiting, delivered or parked"), "{}", no_state.stderr);
        assert_eq!(program.run(REPLAY.iter().chain(&["--delivery", "5"])).code, 2);
    }
}
