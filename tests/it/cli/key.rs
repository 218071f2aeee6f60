//! `grantor key`.

use serde_json::json;

use super::{id, members, text};
use crate::support::Program;

on_both! {
    async fn keys_are_created_listed_without_secrets_and_revoked(engine: Engine) {
        let program = Program::on(engine).await;
        let first = program.bootstrap();

        let made = program
            .json(&["key", "create", "--org", "Acme", "--user", "admin@acme.example", "--name", "Deploy"]);
        let revoked = program.json(&["key", "revoke", made["api_key_id"].as_str().expect("an id")]);
        let listed = program.json(&["key", "list", "--org", "Acme"]);

        assert_eq!(made, json!({
            "api_key": text(&made["api_key"]),
            "api_key_id": id(&made["api_key_id"]),
            "api_key_name": "Deploy",
            "application_key": text(&made["application_key"]),
            "application_key_id": id(&made["application_key_id"]),
            "application_key_name": "Deploy",
        }));
        assert_eq!(revoked, json!({"id": made["api_key_id"], "name": "Deploy", "revoked": true}));
        assert_eq!(members(&listed, "kind"), ["api_key", "api_key", "application_key", "application_key"]);
        assert_eq!(members(&listed, "name"), ["API key", "Deploy", "Application key", "Deploy"]);
        let ids = json!(listed.as_array().map(|keys| keys.iter().map(|key| &key["id"]).collect::<Vec<_>>()));
        assert_eq!(ids, json!([
            first["api_key_id"], made["api_key_id"], first["application_key_id"], made["application_key_id"],
        ]));
        assert!(listed[1]["revoked_at"].is_string() && listed[0]["revoked_at"].is_null(), "{listed}");
        for key in [&first["api_key"], &made["application_key"]] {
            assert!(!listed.to_string().contains(text(key)), "{listed}");
        }
    }

    async fn unknown_names_are_reported_with_the_command_that_lists_them(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let nobody = "00000000-0000-4000-8000-000000000000";

        program.run(["key", "list", "--org", "Nowhere"])
            .failed(1, "no organization is named \"Nowhere\"; `grantor org list` lists all");
        program.run(["key", "create", "--org", "Acme", "--user", "nobody@acme.example"])
            .failed(1, "nobody@acme.example is not a member of this organization; `grantor user list --org …` lists its members");
        program.run(["key", "revoke", nobody])
            .failed(1, &format!("there is no active key {nobody}; `grantor key list --org …` lists all keys"));
        program.run(["user", "disable", "--email", "nobody@acme.example"])
            .failed(1, "there is no user nobody@acme.example; `grantor user list` lists all users");
    }
}
