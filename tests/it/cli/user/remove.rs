//! `grantor user remove` and `set-role`.

use serde_json::json;

use super::create::create;
use crate::cli::members;
use crate::support::{EVERYTHING_GRANTED, Program, TOKENS_UNTIL_2100};

/// SQL that lets the reader have authorized everything, with nothing ended.
const GRANTED_BY_THE_READER: &str = "
    UPDATE grants SET revoked_at = NULL, user_id = (SELECT id FROM users WHERE email = 'reader@acme.example')";

on_both! {
    async fn a_member_can_change_roles_leave_and_return(engine: Engine) {
        let program = Program::on(engine).await;
        let admin = program.bootstrap();
        let made = program.json(&create("reader@acme.example", "read_only"));
        let member = ["--org", "Acme", "--email", "reader@acme.example"];
        let command = |verb: &'static str, more: &[&'static str]| [&["user", verb], &member[..], more].concat();

        let promoted = program.json(&command("set-role", &["--role", "standard"]));
        let removed = program.json(&command("remove", &[]));

        let (id, email) = (&made["id"], "reader@acme.example");
        assert_eq!(promoted, json!({"id": id, "email": email, "org": "Acme", "role": "standard"}));
        assert_eq!(removed, json!({
            "id": id,
            "email": email,
            "org": "Acme",
            "grants_ended": 0,
            "application_keys_revoked": 0,
            "last_token_expires_at": null,
        }));
        assert_eq!(members(&program.json(&["user", "list"]), "email"), ["admin@acme.example"]);
        let all = program.json(&["user", "list", "--all"]);
        assert!(all[1]["left_at"].is_string() && all[0]["left_at"].is_null(), "{all}");
        program.run(command("remove", &[]))
            .failed(1, "reader@acme.example is not a member of this organization; `grantor user list --org …` lists its members");
        program.run(["user", "remove", "--org", "Acme", "--email", "admin@acme.example"])
            .failed(1, "admin@acme.example is the last active administrator of this organization: give another member the role admin first");
        assert_eq!(program.json(&create(email, "read_only"))["id"], *id);
        assert_eq!(members(&program.json(&["user", "list"]), "role"), ["admin", "read_only"]);
        assert_eq!(members(&program.json(&["user", "list"]), "id")[0], admin["user"]["id"]);
    }

    async fn ending_a_membership_reports_how_long_the_last_tokens_stay_valid(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        program.start().registered("Editor");
        program.execute(EVERYTHING_GRANTED).await;
        program.execute(TOKENS_UNTIL_2100).await;
        let email = "reader@acme.example";
        program.json(&create(email, "read_only"));
        program.execute(GRANTED_BY_THE_READER).await;
        let remove = ["user", "remove", "--org", "Acme", "--email", email];

        let removed = program.json(&remove);
        program.json(&create(email, "read_only"));
        program.execute(GRANTED_BY_THE_READER).await;
        let in_words = program.run(remove).succeeded().replace('\n', " ");

        let effect = (&removed["grants_ended"], &removed["last_token_expires_at"]);
        assert_eq!(effect, (&json!(1), &json!("2100-01-01T00:00:00Z")));
        let expected = "reader@acme.example was removed from \"Acme\". Access ended for 1 app. Revoked no application keys. \
                        APIs that only check signatures may accept their last tokens for up to ";
        assert!(in_words.starts_with(expected), "{in_words}");
    }
}
