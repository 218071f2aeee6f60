//! `grantor user create`.

use serde_json::{Value, json};

use crate::cli::{id, text};
use crate::support::Program;

/// The arguments that create a user.
pub fn create<'a>(email: &'a str, role: &'a str) -> [&'a str; 8] {
    ["user", "create", "--org", "Acme", "--email", email, "--role", role]
}

on_both! {
    async fn users_are_created_with_a_role_and_listed(engine: Engine) {
        let program = Program::on(engine).await;
        let admin = program.bootstrap();

        let made = program.json(&create("reader@acme.example", "read_only"));
        let given = program.run_with_input(
            ["--output", "json"].iter().chain(&create("writer@acme.example", "standard")).chain(&["--password-stdin"]),
            "a long pass phrase\n",
        ).json();

        let email = "reader@acme.example";
        assert_eq!(made, json!({"id": id(&made["id"]), "email": email, "password": text(&made["password"])}));
        assert_eq!(given, json!({"id": id(&given["id"]), "email": "writer@acme.example", "password": null}));
        let user = |id: &Value, email, role| {
            json!({"id": id, "email": email, "org": "Acme", "role": role, "disabled_at": null, "left_at": null})
        };
        assert_eq!(program.json(&["user", "list", "--org", "Acme"]), json!([
            user(&admin["user"]["id"], "admin@acme.example", "admin"),
            user(&made["id"], "reader@acme.example", "read_only"),
            user(&given["id"], "writer@acme.example", "standard"),
        ]));
    }
}
