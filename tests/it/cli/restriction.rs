//! `grantor restriction`, while a server registers the clients.

use serde_json::{Value, json};

use crate::support::{EVERYTHING_GRANTED, Program, TOKENS_UNTIL_2100};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

pub fn set(program: &Program, client: &str, oidc_scopes: &str, permission_scopes: &str) -> Value {
    let lists = ["--oidc-scopes", oidc_scopes, "--permission-scopes", permission_scopes];
    program.json(&[&["restriction", "set", "--org", "Acme", client], lists.as_slice()].concat())
}

on_both! {
    async fn a_preview_and_a_change_are_printed_as_sentences(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let client = program.start().registered("Editor");
        program.execute(EVERYTHING_GRANTED).await;
        let openid = ["--org", "Acme", "Editor", "--oidc-scopes", "openid"];
        let run = |verb: &str, more: &[&str]| {
            program.run([&["restriction", verb], more].concat()).succeeded().replace('\n', " ").trim_end().to_owned()
        };

        assert_eq!(
            run("get", &["Editor"]),
            format!("\"Acme\" does not restrict \"Editor\" ({client}). It may get every scope of the catalog.")
        );
        set(&program, &client, "openid email", "mcp_read");
        let digest = program.json(&[&["restriction", "preview"], openid.as_slice()].concat())["digest"].clone();
        let digest = digest.as_str().expect("a digest");
        assert_eq!(
            run("preview", &openid),
            format!(
                "Preview for \"Editor\" ({client}) in \"Acme\". Nothing is stored. Takes away 1 scope in use: mcp_read. Takes \
                 away 1 scope that no grant holds: email. Ends 1 grant: admin@acme.example. To apply exactly this, run `grantor \
                 restriction set` with:   --if-digest={digest}"
            )
        );
        assert_eq!(
            run("set", &openid),
            format!(
                "\"Acme\" allows \"Editor\" ({client}) 1 scope: openid. Took away 1 scope in use: mcp_read. Took away 1 scope \
                 that no grant holds: email. Ended 1 grant: admin@acme.example."
            )
        );
        assert_eq!(run("get", &["Editor"]), format!("\"Acme\" allows \"Editor\" ({client}) 1 scope: openid."));
        assert_eq!(run("set", &openid).split(". ").last(), Some("Changed nothing."));
    }

    async fn a_restriction_set_on_the_command_line_is_used_by_the_server(engine: Engine) {
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

    async fn a_preview_stores_nothing_and_its_digest_guards_the_change(engine: Engine) {
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
            "scopes_removed_in_use": [],
            "grants": 0,
            "grants_ended": 0,
            "last_token_expires_at": null,
            "users": 0,
            "digest": digest,
        });
        assert_eq!(preview, expected(true));
        assert_eq!(bound, expected(false));
        moved.failed(1, &json!({"error": "the restriction has changed since the preview"}).to_string());
    }

    async fn a_restriction_reports_how_long_the_last_tokens_stay_valid(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let client = program.start().registered("Editor");
        program.execute(EVERYTHING_GRANTED).await;
        program.execute(TOKENS_UNTIL_2100).await;
        let openid = ["restriction", "preview", "--org", "Acme", &client, "--oidc-scopes", "openid"];

        let in_words = program.run(openid).succeeded().replace('\n', " ");
        let preview = program.json(&openid);
        let done = set(&program, &client, "openid", "");

        let expected = "APIs that only check signatures may accept tokens with the removed scopes for up to ";
        assert!(in_words.contains(expected), "{in_words}");
        for value in [&preview, &done] {
            let effect = (&value["grants_ended"], &value["last_token_expires_at"]);
            assert_eq!(effect, (&json!(1), &json!("2100-01-01T00:00:00Z")));
        }
    }

    async fn a_restriction_to_an_unknown_scope_is_a_usage_error(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let client = program.start().registered("A client");

        let refused =
            program.run(["restriction", "set", "--org", "Acme", &client, "--permission-scopes", "mcp_read nonsense"]);

        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{}", refused.stderr);
        let stored = program.json(&["restriction", "get", "--org", "Acme", &client]);
        assert_eq!(stored["scopes_restriction"], Value::Null);
    }

    async fn a_restriction_of_an_unknown_client_fails(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();

        for verb in ["get", "set", "preview", "delete"] {
            let refused = program.run(["restriction", verb, "--org", "Acme", NOBODY]);

            assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{verb}: {}", refused.stderr);
        }
    }
}
