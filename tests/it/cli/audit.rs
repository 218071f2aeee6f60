//! `grantor audit` prints the audit trail for people and for scripts.

use serde_json::{Value, json};

use crate::support::{EVERYTHING_GRANTED, Program};

fn names(events: &Value) -> Vec<&str> {
    events.as_array().expect("a list").iter().filter_map(|event| event["event"].as_str()).collect()
}

on_both! {
    async fn the_audit_trail_is_listed_newest_first_and_can_be_filtered(engine: Engine) {
        let program = Program::on(engine).await;
        let made = program.bootstrap();
        let client = program.start().registered("Editor");
        program.execute(EVERYTHING_GRANTED).await;
        program.run(["client", "disable", "Editor"]).succeeded();
        program.run(["org", "create", "Umbra"]).succeeded();
        let list = |more: &[&str]| program.json(&[&["audit", "list"], more].concat());

        let all = list(&[]);
        let in_acme = list(&["--org", "Acme"]);
        let disabled = list(&["--event", "client.disabled"]);

        assert_eq!(names(&all).first(), Some(&"org.created"));
        assert_eq!(names(&in_acme)[..2], ["client.disabled", "grant.revoked"]);
        assert_eq!(disabled, json!([{
            "id": disabled[0]["id"],
            "at": disabled[0]["at"],
            "event": "client.disabled",
            "org": "Acme",
            "actor": "command_line",
            "actor_email": null,
            "subject": format!("client:{client}"),
            "before": null,
            "after": {"disabled": true, "grants_ended": 1},
            "request_id": null,
            "address": null,
        }]));
        let two = list(&["--event", "client.disabled", "--event", "org.created", "--since", "1h"]);
        assert_eq!(names(&two), ["org.created", "client.disabled", "org.created"]);
        assert_eq!(list(&["--since", "2999-01-01"]), json!([]));
        assert_eq!(names(&list(&["--actor", "server"])), ["signing_key.created"]);
        let by_command_line = list(&["--actor", "command_line"]);
        assert_eq!(names(&by_command_line).len(), names(&all).len() - 1);
        let admin = made["user"]["id"].as_str().expect("an id");
        assert_eq!(list(&["--actor", "admin@acme.example"]), list(&["--actor", &format!("user:{admin}")]));
    }

    async fn changes_made_with_keys_are_found_by_the_email_of_their_owner(engine: Engine) {
        let program = Program::on(engine).await;
        let keys = program.bootstrap();
        let server = program.start();
        let client = server.registered("Editor");
        let body = json!({"data": {"type": "upsert_scopes_restriction", "attributes": {"oidc_scopes": ["openid"]}}});
        let path = crate::support::restriction_path(&client);
        assert_eq!(server.ask_with(&keys, "POST", &path, &body.to_string()).status, 200);

        let found = program.json(&["audit", "list", "--actor", "Admin@acme.example"]);
        let text = program.run(["audit", "list", "--actor", "admin@acme.example"]).succeeded().to_owned();

        assert_eq!(names(&found), ["scopes_restriction.set"]);
        assert_eq!(found[0]["actor_email"], "admin@acme.example");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], format!("{}  scopes_restriction.set", found[0]["at"].as_str().expect("a time")));
        assert!(lines[1].starts_with("  By            user:"), "{text}");
        assert!(lines[1].contains("(admin@acme.example)"), "{text}");
        assert!(text.contains(&format!("  About         client:{client} (\"Editor\")\n")), "{text}");
        assert!(text.contains("  Organization  \"Acme\"\n  Before        scopes_restriction: null\n"), "{text}");
    }

    async fn a_long_audit_trail_mentions_that_there_is_more(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();

        let page = program.run(["--output", "json", "audit", "list", "--limit", "1"]);

        assert_eq!(page.json().as_array().map(Vec::len), Some(1));
        let note = json!({"note": "There is more: only the first 1 are shown. Raise --limit to see the rest."});
        assert_eq!(page.stderr.trim_end(), note.to_string());
    }

    async fn an_invalid_filter_is_a_usage_error(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let refused = |more: [&str; 2]| {
            let run = program.run([&["audit", "list"], more.as_slice()].concat());
            assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{}", run.stderr);
            run.stderr
        };

        assert!(refused(["--event", "client.disable"]).contains("did you mean client.disabled?"));
        assert!(refused(["--since", "yesterday"]).starts_with("--since: write a time such as 2026-11-30T08:00:00Z"));
        assert!(refused(["--actor", "admin"]).contains("the actor must be an email address"));
        refused(["--limit", "0"]);
        program.run(["audit", "list", "--actor", "nobody@acme.example"])
            .failed(1, "no user has the address \"nobody@acme.example\"");
    }
}
