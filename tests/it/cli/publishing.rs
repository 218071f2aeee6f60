//! `grantor partner`, `reviewer`, `review` and `app submit`: the operator publishes an app without the
//! API, and copies it to another site.

use serde_json::{Value, json};

use crate::support::Program;

const ATTRIBUTES: [&str; 12] = [
    "app",
    "create",
    "--name",
    "Pager",
    "--redirect-uri",
    "https://pager.example/cb",
    "--onboarding-url",
    "https://pager.example/start",
    "--description",
    "On-call alerts",
    "--scope",
    "openid,mcp_read",
];

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

/// A published app: what `app submit` printed.
fn published(program: &Program) -> Value {
    program.json(&["partner", "approve"]);
    let app = program.json(&ATTRIBUTES);
    let submitted = program.json(&["app", "submit", text(&app["id"]), "--note", "First"]);
    program.json(&["review", "approve", text(&submitted["version_id"])]);
    submitted
}

on_both! {
    async fn an_app_is_submitted_reviewed_and_published(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let app = program.json(&ATTRIBUTES);
        let id = text(&app["id"]);
        let not_yet = "this organization is not an approved partner: run `grantor partner approve`";
        program.run(["app", "submit", id]).failed(1, not_yet);
        program.json(&["partner", "approve", "--private-scope", "api_keys_write", "--note", "Contract 7"]);

        let submitted = program.json(&["app", "submit", id]);
        let queue = program.json(&["review", "list"]);
        let review = program.json(&["review", "show", text(&submitted["version_id"])]);
        let shown = program.run(["--output", "text", "review", "show", text(&submitted["version_id"])]);
        let approved = program.json(&["review", "approve", text(&submitted["version_id"])]);

        assert!(text(&submitted["client_secret"]).starts_with("gcs_"));
        assert_eq!(queue[0]["id"], submitted["version_id"]);
        assert_eq!(review["changes"][0]["added"], json!(["mcp_read", "openid"]));
        assert_eq!(review["warnings"], json!(["this is the first submission of this partner"]));
        let shown = shown.succeeded();
        assert!(shown.contains("+ mcp_read") && shown.contains("Look at"), "{shown}");
        assert_eq!(approved["state"], "published");
        let app = program.json(&["app", "show", text(&submitted["client_id"])]);
        assert_eq!((app["state"].clone(), app["private_client"].clone()), (json!("published"), json!(id)));
        assert_eq!(program.json(&["review", "list"]), json!([]));
    }

    async fn an_app_is_withdrawn_rejected_suspended_and_retired(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let published = published(&program);
        let id = text(&published["client_id"]);
        let private = program.json(&["app", "show", id])["private_client"].clone();
        program.json(&["app", "submit", text(&private)]);
        assert_eq!(program.json(&["app", "withdraw", text(&private)])["state"], "withdrawn");
        let again = program.json(&["app", "submit", text(&private)]);
        let rejected = program.json(&["review", "reject", text(&again["version_id"]), "--note", "Too short"]);
        assert_eq!(rejected["state"], "rejected");

        program.run(["review", "set", "--client", id, "--suspended"]).failed(1, "note is missing: say why");
        let suspended = program.json(&["review", "set", "--client", id, "--suspended", "--note", "Spam"]);
        let resumed = program.json(&["review", "set", "--client", id, "--suspended=false", "--listed"]);
        let retired = program.json(&["app", "delete", id]);

        assert_eq!(suspended, json!({"id": id, "state": "suspended", "listed": false}));
        assert_eq!(resumed, json!({"id": id, "state": "published", "listed": true}));
        assert_eq!((retired["deleted"].clone(), retired["retired"].clone()), (json!(false), json!(true)));
    }

    async fn an_app_is_the_same_on_two_sites(engine: Engine) {
        let (here, there) = (Program::on(engine).await, Program::on(engine).await);
        here.bootstrap();
        there.bootstrap();
        let published = published(&here);
        let id = text(&published["client_id"]);
        let private = here.json(&["app", "show", id])["private_client"].clone();
        let secret = here.json(&["app", "secret", "create", text(&private)]);
        let run = here.run(["app", "export", id]);
        let exported = run.succeeded();
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("app.json");
        std::fs::write(&file, exported).expect("is written");
        let file = file.to_str().expect("a path");

        there.run(["app", "import", file]).failed(1, "this app is published: approve the organization as a partner first, with `grantor partner approve`");
        there.json(&["partner", "approve"]);
        let imported = there.json(&["app", "import", file]);
        there.run(["app", "import", file]).failed(1, "an app with this ID exists on this site already");

        assert_eq!(imported, json!({"id": private, "org": "Acme", "published_client": id}));
        for secret in [&secret["client_secret"], &published["client_secret"]] {
            assert!(!exported.contains(text(secret)), "{exported}");
        }
        let copy = there.json(&["app", "show", id]);
        assert_eq!(copy["state"], "published");
        let last_four = text(&published["client_secret"]);
        assert_eq!(copy["secrets"][0]["last4"], last_four[last_four.len() - 4..]);
    }

    async fn reviewers_and_partners_are_listed_and_removed(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let email = "admin@acme.example";

        program.json(&["reviewer", "add", "--email", email]);
        let again = program.run(["reviewer", "add", "--email", email]);
        let listed = program.json(&["reviewer", "list"]);
        program.json(&["reviewer", "remove", "--email", email]);
        let gone = program.run(["reviewer", "remove", "--email", email]);
        let approved = program.json(&["partner", "approve", "--private-scope", "api_keys_write"]);
        let partners = program.json(&["partner", "list"]);
        program.json(&["partner", "end"]);

        again.failed(1, "admin@acme.example is a reviewer already");
        assert_eq!(listed[0]["email"], email);
        gone.failed(1, "admin@acme.example is not a reviewer; `grantor reviewer list` lists them");
        program.run(["reviewer", "add", "--email", "nobody@acme.example"]).failed(1, "no user has the email address nobody@acme.example");
        assert_eq!((&approved, approved["private_scopes"].clone()), (&partners[0], json!(["api_keys_write"])));
        assert_eq!(program.json(&["partner", "list"]), json!([]));
        program.run(["partner", "end"]).failed(1, "this organization is not a partner");
        program.run(["partner", "approve", "--private-scope", "openid"]).failed(2, "\"openid\" is not a private scope of the catalog");
    }
}
