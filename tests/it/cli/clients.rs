//! `grantor client` and `grantor restriction`, beside the server that registers the clients.

use serde_json::{Value, json};

use crate::support::Program;

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

on_both! {
    async fn clients_are_listed_and_found_by_name(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let server = program.start();
        let (reader, writer) = (server.registered("A reader"), server.registered("A writer"));

        let all = program.json(&["client", "list", "--org", "Acme"]);
        let found = program.json(&["client", "list", "--org", "Acme", "--name", "read"]);
        let one = program.json(&["client", "list", "--org", "Acme", "--limit", "1"]);

        let mut ids: Vec<&Value> = all.as_array().expect("a list").iter().map(|client| &client["id"]).collect();
        ids.sort_by_key(|id| *id != &json!(reader));
        assert_eq!(json!(ids), json!([reader, writer]));
        assert_eq!(found, json!([{
            "id": reader,
            "name": "A reader",
            "redirect_uris": ["https://example.com/callback"],
            "registered_at": found[0]["registered_at"],
            "last_seen_at": found[0]["registered_at"],
            "registrations": 1,
            "asleep": false,
            "restricted": false,
        }]));
        assert_eq!(one.as_array().map(Vec::len), Some(1));
    }

    async fn a_client_is_shown_with_what_it_may_get(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let client = program.start().registered("A client");
        set(&program, &client, "openid", "mcp_read");

        let shown = program.json(&["client", "show", "--org", "Acme", &client]);

        assert_eq!(shown["may_get"], json!(["mcp_read", "openid"]));
        assert_eq!((&shown["client"]["id"], &shown["client"]["restricted"]), (&json!(client), &json!(true)));
        assert_eq!(shown["metadata"]["client_name"], "A client");
        program.run(["client", "show", "--org", "Acme", NOBODY])
            .failed(1, &format!("there is no client {NOBODY}; `grantor client list --org …` shows all"));
    }

    async fn a_restriction_is_set_read_by_the_server_and_deleted(engine: Engine) {
        let program = Program::on(engine).await;
        let keys = program.bootstrap();
        let server = program.start();
        let client = server.registered("A client");
        let path = crate::support::restriction_path(&client);
        let get = ["restriction", "get", "--org", "Acme", &client];

        let before = program.json(&get);
        let done = set(&program, &client, "openid,email", "mcp_read dashboards_read");
        let after = program.json(&get);
        let served = server.ask_with(&keys, "GET", &path, "").json();
        let deleted = program.json(&["restriction", "delete", "--org", "Acme", &client]);

        let lists = json!({"oidc_scopes": ["openid", "email"], "permission_scopes": ["mcp_read", "dashboards_read"]});
        let restriction = |lists: &Value| {
            json!({"client_id": client, "required_permission_scopes": null, "scopes_restriction": lists})
        };
        assert_eq!(before, restriction(&Value::Null));
        assert_eq!(after, restriction(&lists));
        assert_eq!((&done["scopes_restriction"], &done["dry_run"]), (&lists, &json!(false)));
        assert_eq!(served["data"]["attributes"]["scopes_restriction"], lists);
        assert_eq!(deleted, restriction(&Value::Null));
        assert_eq!(program.json(&get), restriction(&Value::Null));
    }

    async fn a_preview_stores_nothing_and_binds_the_change_to_what_it_saw(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let client = program.start().registered("A client");
        set(&program, &client, "openid", "mcp_read");
        let change = |verb, digest: &[&str]| {
            let named = ["--output", "json", "restriction", verb, "--org", "Acme", &client, "--oidc-scopes", "email"];
            program.run(named.iter().chain(digest))
        };

        let preview = change("preview", &[]).json();
        let digest = preview["digest"].as_str().expect("a digest");
        let bound = change("set", &["--if-digest", digest]).json();
        let moved = change("set", &["--if-digest", digest]);

        let expected = |dry_run: bool| json!({
            "client_id": client,
            "required_permission_scopes": null,
            "scopes_restriction": {"oidc_scopes": ["email"], "permission_scopes": []},
            "dry_run": dry_run,
            "scopes_added": ["email"],
            "scopes_removed": ["mcp_read", "openid"],
            "grants": 0,
            "users": 0,
            "digest": digest,
        });
        assert_eq!(preview, expected(true));
        assert_eq!(bound, expected(false));
        moved.failed(1, &json!({"error": "the restriction has changed since the preview"}).to_string());
    }

    async fn a_restriction_to_what_is_no_scope_is_wrong_usage_and_stores_nothing(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let client = program.start().registered("A client");

        let refused =
            program.run(["restriction", "set", "--org", "Acme", &client, "--permission-scopes", "mcp_read nonsense"]);

        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{}", refused.stderr);
        let stored = program.json(&["restriction", "get", "--org", "Acme", &client]);
        assert_eq!(stored["scopes_restriction"], Value::Null);
    }

    async fn a_restriction_of_no_client_fails(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();

        for verb in ["get", "set", "preview", "delete"] {
            let refused = program.run(["restriction", verb, "--org", "Acme", NOBODY]);

            assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{verb}: {}", refused.stderr);
        }
    }
}

fn set(program: &Program, client: &str, oidc_scopes: &str, permission_scopes: &str) -> Value {
    let lists = ["--oidc-scopes", oidc_scopes, "--permission-scopes", permission_scopes];
    program.json(&[&["restriction", "set", "--org", "Acme", client], lists.as_slice()].concat())
}
