//! `grantor client` and `grantor restriction`, while a server registers the clients.

use serde_json::{Value, json};

use crate::support::{EVERYTHING_GRANTED, Program, TOKENS_UNTIL_2100};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

on_both! {
    async fn registered_clients_are_listed_and_found_by_name(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let server = program.start();
        let (reader, writer) = (server.registered("A reader"), server.registered("A writer"));
        let list = |more: &[&str]| program.json(&[&["client", "list", "--all"], more].concat());

        let (all, found) = (list(&[]), list(&["--org", "Acme", "--name", "read"]));
        let one = program.run(["client", "list", "--all", "--limit", "1"]);

        let mut ids: Vec<&Value> = all.as_array().expect("a list").iter().map(|client| &client["id"]).collect();
        ids.sort_by_key(|id| *id != &json!(reader));
        assert_eq!(json!(ids), json!([reader, writer]));
        assert_eq!(found, json!([{
            "id": reader,
            "name": "A reader",
            "redirect_uris": ["https://example.com/callback"],
            "registered_at": found[0]["registered_at"],
            "last_seen_at": found[0]["last_seen_at"],
            "registrations": 1,
            "asleep": false,
            "restricted": false,
            "disabled": false,
            "people": 0,
            "last_used_at": null,
        }]));
        assert_eq!(one.succeeded().lines().count(), 2, "{}", one.stdout);
        assert_eq!(one.stderr, "There is more: only the first 1 are shown. Raise --limit to see the rest.\n");
    }

    async fn an_organization_lists_its_apps(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let server = program.start();
        let used = server.registered("Used \"tool\"");
        program.execute(EVERYTHING_GRANTED).await;
        program.execute("UPDATE grants SET last_used_at = 1767398400").await;
        let (unused, restricted) = (server.registered("Unused"), server.registered("Restricted"));
        set(&program, &restricted, "openid", "");
        let list = |more: &[&str]| program.run([&["client", "list"], more].concat()).succeeded().to_owned();

        let (text, json) = (list(&[]), program.json(&["client", "list"]));
        program.run(["client", "disable", &used]).succeeded();

        assert_eq!(
            text,
            format!(
                "NAME             PEOPLE  REDIRECTS TO  LAST USED   STATE\n\
                 \x20 ID\n\
                 \"Used \\\"tool\\\"\"  1       example.com   2026-01-03  active\n\
                 \x20 {used}\n\
                 \"Restricted\"     0       example.com   never       active, restricted\n\
                 \x20 {restricted}\n"
            )
        );
        let ids: Vec<&Value> = json.as_array().expect("a list").iter().map(|app| &app["id"]).collect();
        assert_eq!(json!(ids), json!([used, restricted]));
        assert_eq!((&json[0]["people"], &json[0]["last_used_at"]), (&json!(1), &json!("2026-01-03T00:00:00Z")));
        assert!(list(&["--name", "used"]).contains("disabled"));
        assert!(list(&["--all"]).contains(&unused));
        assert_eq!(list(&["--name", "nothing"]), "\"Acme\" uses no app with this text in its name; --all lists every registered client\n");
    }

    async fn an_app_is_selected_by_its_name_or_an_id_prefix(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let server = program.start();
        let client = server.registered("Editor");
        program.execute(EVERYTHING_GRANTED).await;

        for named in ["Editor", "editor", client.as_str(), &client[..8], &client[..13].to_uppercase()] {
            assert_eq!(program.json(&["client", "show", named])["client"]["id"], json!(client), "{named}");
        }
        program.run(["client", "show", "Edit"]).failed(
            1,
            "\"Acme\" uses no app named \"Edit\", and no client ID begins with it; `grantor client list --all` lists all \
             registered clients",
        );
    }

    async fn an_ambiguous_name_lists_the_candidates_and_exits_with_2(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let server = program.start();
        let at = |host: &str| {
            let redirect = format!("https://{host}/callback");
            let body = json!({"client_name": "Editor", "redirect_uris": [redirect]});
            server.post("/api/v2/oauth2/register", &body).json()["client_id"].as_str().expect("an id").to_owned()
        };
        let mut candidates = [(at("a.example"), "a.example"), (at("b.example"), "b.example")];
        candidates.sort();
        let [one, two] = candidates.map(|(id, host)| format!("  {id}  {host}  \"Editor\""));

        // Any client can register under any name.
        program.run(["client", "disable", "Editor"]).failed(
            2,
            &format!(
                "\"Acme\" uses no app named \"Editor\". 2 registered clients have this name. Anyone can \
                 register a name, so use the ID:\n{one}\n{two}"
            ),
        );
        program.execute(EVERYTHING_GRANTED).await;
        program.run(["client", "disable", "Editor"])
            .failed(2, &format!("\"Editor\" matches several apps; use the ID of one:\n{one}\n{two}"));
    }

    async fn the_only_organization_is_the_default_and_one_of_several_must_be_named(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        // `grantor selftest` leaves this one behind.
        program.run(["org", "create", "grantor selftest"]).succeeded();
        assert_eq!(program.json(&["client", "list"]), json!([]));

        program.run(["org", "create", "Umbra"]).succeeded();

        let which = "there are 2 organizations: \"Acme\", \"Umbra\". Name one with --org or in GRANTOR_ORG";
        program.run(["client", "list"]).failed(2, which);
        program.run(["client", "list", "--org", "Umbra"]).succeeded();
        let in_umbra = program.clone().with("GRANTOR_ORG", "Umbra");
        in_umbra.run(["client", "list"]).succeeded();
        in_umbra.run(["config", "check"]).succeeded();
        in_umbra.run(["client", "list", "--org", "Nowhere"])
            .failed(1, "no organization is named \"Nowhere\"; `grantor org list` lists all");
        program.clone().with("GRANTOR_ORG", "").run(["client", "list"]).failed(2, which);
    }

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

    async fn a_client_is_shown_with_its_allowed_scopes(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let client = program.start().registered("A client");
        set(&program, &client, "openid", "mcp_read");

        let shown = program.json(&["client", "show", "--org", "Acme", &client]);

        assert_eq!(shown["may_get"], json!(["mcp_read", "openid"]));
        assert_eq!((&shown["client"]["id"], &shown["client"]["restricted"]), (&json!(client), &json!(true)));
        assert_eq!(shown["metadata"]["client_name"], "A client");
        program.run(["client", "show", "--org", "Acme", NOBODY])
            .failed(1, &format!("no client has the ID {NOBODY}; `grantor client list --all` lists all registered clients"));
        let text = program.run(["client", "show", "A client"]).succeeded().to_owned();
        assert!(text.starts_with("Name          \"A client\" (chosen by the app, not verified)\n"), "{text}");
        assert!(text.ends_with("May get       2 scopes: mcp_read, openid\n"), "{text}");
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

fn set(program: &Program, client: &str, oidc_scopes: &str, permission_scopes: &str) -> Value {
    let lists = ["--oidc-scopes", oidc_scopes, "--permission-scopes", permission_scopes];
    program.json(&[&["restriction", "set", "--org", "Acme", client], lists.as_slice()].concat())
}
