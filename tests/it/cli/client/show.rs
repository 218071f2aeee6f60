//! `grantor client show`, and how commands select a client.

use serde_json::json;

use super::NOBODY;
use crate::cli::restriction::set;
use crate::support::{EVERYTHING_GRANTED, Program};

on_both! {
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
}
