//! `grantor user disable` and `enable`.

use serde_json::json;

use crate::support::Program;

on_both! {
    async fn a_user_can_be_disabled_and_enabled(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();

        let disabled = program.json(&["user", "disable", "--email", "admin@acme.example"]);

        assert_eq!(disabled, json!({
            "email": "admin@acme.example",
            "disabled": true,
            "grants_ended": 0,
            "last_token_expires_at": null,
        }));
        assert!(program.json(&["user", "list"])[0]["disabled_at"].is_string());
        let keys = program.run(["key", "create", "--org", "Acme", "--user", "admin@acme.example"]);
        keys.failed(1, "admin@acme.example is disabled");
        let enabled = program.json(&["user", "enable", "--email", "admin@acme.example"]);
        assert_eq!(enabled, json!({"email": "admin@acme.example", "disabled": false}));
        assert_eq!(program.json(&["user", "list"])[0]["disabled_at"], json!(null));
    }
}
