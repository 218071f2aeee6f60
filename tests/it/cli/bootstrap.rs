//! `grantor bootstrap`.

use serde_json::json;

use super::{id, members, text};
use crate::support::Program;

on_both! {
    async fn bootstrap_creates_an_organization_an_administrator_and_keys(engine: Engine) {
        let program = Program::on(engine).await;

        let made = program.json(&["bootstrap", "--org", "Acme", "--email", "admin@acme.example"]);

        assert_eq!(made, json!({
            "org": {"id": id(&made["org"]["id"]), "name": "Acme"},
            "user": {
                "id": id(&made["user"]["id"]),
                "email": "admin@acme.example",
                "password": text(&made["user"]["password"]),
            },
            "api_key": text(&made["api_key"]),
            "api_key_id": id(&made["api_key_id"]),
            "application_key": text(&made["application_key"]),
            "application_key_id": id(&made["application_key_id"]),
        }));
    }

    async fn bootstrap_creates_several_organizations_but_none_twice(engine: Engine) {
        let program = Program::on(engine).await;
        let bootstrap = |org, email| program.run(["bootstrap", "--org", org, "--email", email]);
        bootstrap("Acme", "admin@acme.example").succeeded();
        bootstrap("Globex", "admin@globex.example").succeeded();

        let again = bootstrap("Acme", "other@acme.example");

        again.failed(1, "an organization named \"Acme\" already exists; `grantor org list` lists all organizations");
        let users = program.json(&["user", "list"]);
        assert_eq!(members(&users, "email"), ["admin@acme.example", "admin@globex.example"]);
    }
}
