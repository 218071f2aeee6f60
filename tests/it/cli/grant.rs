//! `grantor grant`, checked through a server.

use serde_json::{Value, json};

use crate::cli::client::authorized_client;
use crate::support::{EVERYTHING_GRANTED, Program};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

fn shown(client: &str, name: &str, revoked_at: &Value) -> Value {
    json!({
        "id": client,
        "org": "Acme",
        "user": "admin@acme.example",
        "client_id": client,
        "client": name,
        "scopes": ["mcp_read", "openid"],
        "consented_at": "2026-01-02T03:04:05Z",
        "last_used_at": null,
        "revoked_at": revoked_at,
    })
}

on_both! {
    async fn grants_are_listed_by_organization_user_and_client(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let server = program.start();
        let (one, two) = (server.registered("One"), server.registered("Two"));
        program.execute(EVERYTHING_GRANTED).await;
        let list = |more: &[&str]| program.json(&[&["grant", "list"], more].concat());

        let mut both = vec![shown(&one, "One", &Value::Null), shown(&two, "Two", &Value::Null)];
        both.sort_by_key(|grant| std::cmp::Reverse(grant["id"].to_string()));
        assert_eq!(list(&[]), json!(both));
        assert_eq!(list(&["--org", "Acme", "--user", "Admin@acme.example"]), json!(both));
        assert_eq!(list(&["--limit", "1"]), json!([both[0]]));
        assert_eq!(list(&["--client", &one]), json!([shown(&one, "One", &Value::Null)]));
        assert_eq!(list(&["--client", NOBODY]), json!([]));
        program.run(["grant", "list", "--user", "nobody@acme.example"])
            .failed(1, "no user has the address \"nobody@acme.example\"; `grantor user list` lists all");
        program.run(["grant", "list", "--org", "Nowhere"])
            .failed(1, "no organization is named \"Nowhere\"; `grantor org list` lists all");
    }

    async fn a_grant_can_be_revoked_twice_while_a_server_runs(engine: Engine) {
        let program = Program::on(engine).await;
        let (keys, server) = (program.bootstrap(), program.start());
        let client = server.registered("One");
        program.execute(EVERYTHING_GRANTED).await;
        assert_eq!(authorized_client(&server, &keys, &client)["user_count"], 1);

        let revoked = program.json(&["grant", "revoke", &client]);
        let again = program.json(&["grant", "revoke", &client]);

        let expected = json!({
            "id": client,
            "revoked": true,
            "user": "admin@acme.example",
            "client": "One",
            "client_id": client,
            "last_token_expires_at": null,
        });
        assert_eq!((&revoked, &again), (&expected, &expected));
        let said = program.run(["grant", "revoke", &client]).succeeded().replace('\n', " ");
        assert_eq!(said, format!("Access of \"One\" ({client}) for admin@acme.example had already ended. "));
        assert_eq!(authorized_client(&server, &keys, &client), json!({"disabled": false, "last_exercised": null, "user_count": 0}));
        let listed = program.json(&["grant", "list"]);
        assert!(listed[0]["revoked_at"].is_string(), "{listed}");
        assert_eq!(listed, json!([shown(&client, "One", &listed[0]["revoked_at"])]));
        program.run(["grant", "revoke", NOBODY]).failed(1, "there is no such grant; `grantor grant list` lists all grants");
    }
}
