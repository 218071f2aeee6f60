//! `grantor app`: an organization creates apps with a secret, and replaces and ends the secrets.

use grantor::rules::client::client_secret::is_well_formed;
use serde_json::{Value, json};

use crate::support::Program;

const REDIRECT: &str = "https://pager.example/cb";
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

fn created(program: &Program) -> String {
    let app = program.json(&[
        "app",
        "create",
        "--name",
        "Pager",
        "--redirect-uri",
        REDIRECT,
        "--scope",
        "openid,mcp_read",
    ]);
    app["id"].as_str().expect("an id").to_owned()
}

on_both! {
    async fn an_app_is_created_changed_and_deleted(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let id = created(&program);

        let changed = program.json(&["app", "update", &id, "--name", "Pager 2", "--scope", "openid"]);
        let shown = program.json(&["app", "show", &id]);
        let listed = program.json(&["app", "list"]);

        let expected = json!({
            "id": id,
            "org": "Acme",
            "name": "Pager 2",
            "redirect_uris": [REDIRECT],
            "scopes": ["openid"],
            "onboarding_url": null,
            "description": null,
            "revision": 2,
            "created_at": shown["created_at"],
            "modified_at": shown["modified_at"],
            "state": "private",
            "private_client": id,
            "published_client": null,
            "version_in_review": null,
            "published_at": null,
            "secrets": [],
        });
        assert_eq!((&changed, &shown), (&expected, &expected));
        assert_eq!(listed[0]["id"], id);
        let run = program.run(["--output", "text", "app", "show", &id]);
        let text = run.succeeded();
        assert!(text.contains("none yet: run `grantor app secret create`"), "{text}");

        let deleted = program.json(&["app", "delete", &id]);
        assert_eq!(deleted, json!({
            "id": id, "org": "Acme", "deleted": true, "retired": false, "grants_ended": 0, "last_token_expires_at": null,
        }));
        for id in [id.as_str(), NOBODY] {
            let error = format!("\"Acme\" has no app with the ID {id}; `grantor app list` lists its apps");
            program.run(["app", "show", id]).failed(1, &error);
        }
    }

    async fn a_secret_is_printed_once_and_replaced(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let id = created(&program);
        let ending = |secret: &Value| secret["client_secret"].as_str().expect("a secret")[46..].to_owned();
        program.run(["app", "secret", "regenerate", &id]).failed(1, "this client has no secret yet: create one");

        let first = program.json(&["app", "secret", "create", &id]);
        let second = program.json(&["app", "secret", "regenerate", "--overlap", "24h", &id]);
        let both = program.json(&["app", "show", &id])["secrets"].clone();
        program.json(&["app", "secret", "end", &id]);
        let one = program.json(&["app", "show", &id])["secrets"].clone();

        assert!([&first, &second].iter().all(|made| is_well_formed(made["client_secret"].as_str().expect("text"))));
        assert_eq!([&both[0]["last4"], &both[1]["last4"]], [&json!(ending(&second)), &json!(ending(&first))]);
        assert_eq!(both[1]["expires_at"], second["previous_ends_at"]);
        assert_eq!((one.as_array().map(Vec::len), &one[0]["last4"]), (Some(1), &both[0]["last4"]));
        program.run(["app", "secret", "end", &id]).failed(1, "this app has no previous secret");
        program.run(["app", "secret", "create", &id]).failed(1, "this client has a secret already: regenerate it");
    }

    async fn attributes_that_cannot_be_used_are_usage_errors(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let create = |more: &[&str]| {
            let arguments = ["app", "create", "--name", "Pager", "--redirect-uri", REDIRECT];
            program.run(arguments.iter().chain(more).copied().collect::<Vec<_>>())
        };

        create(&["--redirect-uri", "https://other.example/cb"])
            .failed(2, "redirect_uris/1: all redirect URIs of a client are on one host");
        create(&["--scope", "nonsense"]).failed(2, "scopes/0: the scope is not in the catalog: its operator can add it");
        program.run(["app", "create", "--name", "Pager"]).failed(2, "redirect_uris: redirect_uris is missing");
    }
}
