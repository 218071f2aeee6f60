//! `grantor client disable` and `enable`, checked through a server.

use serde_json::{Value, json};

use super::{NOBODY, authorized_client};
use crate::support::{EVERYTHING_GRANTED, Program};

on_both! {
    async fn a_client_is_disabled_for_one_organization_and_enabled_without_its_old_grants(engine: Engine) {
        let program = Program::on(engine).await;
        let (keys, server) = (program.bootstrap(), program.start());
        let client = server.registered("One");
        program.execute(EVERYTHING_GRANTED).await;
        program.run(["org", "create", "Umbra"]).succeeded();
        let show = |org: &str| program.json(&["client", "show", "--org", org, &client]);
        let decided = |shown: &Value| {
            ["authorized_id", "first_authorized_at", "disabled"].map(|member| shown[member].clone())
        };
        let authorized = [json!(client), json!("2026-01-02T03:04:05Z")];

        let reason = "Under review until May";
        let disabled = program.json(&["client", "disable", "--org", "Acme", "--reason", reason, &client]);
        let again = program.json(&["client", "disable", "--org", "Acme", &client]);

        let done = |ended: u32, reason: Option<&str>| json!({
            "id": client,
            "org": "Acme",
            "disabled": true,
            "reason": reason,
            "grants_ended": ended,
            "last_token_expires_at": null,
        });
        assert_eq!((disabled, again), (done(1, Some(reason)), done(0, None)));
        assert_eq!(authorized_client(&server, &keys, &client), json!({"disabled": true, "last_exercised": null, "user_count": 0}));
        let shown = show("Acme");
        assert_eq!(decided(&shown), [authorized[0].clone(), authorized[1].clone(), json!(true)]);
        assert!(shown["disabled_at"].is_string(), "{shown}");
        assert_eq!(shown["disabled_reason"], reason);
        program.run(["client", "disable", "--org", "Acme", "--reason", "two\nlines", &client])
            .failed(2, "the reason contains a control character: remove it");
        assert_eq!(decided(&show("Umbra")), [Value::Null, Value::Null, json!(false)]);

        let enabled = program.json(&["client", "enable", "--org", "Acme", &client]);

        assert_eq!(enabled, json!({"id": client, "org": "Acme", "disabled": false}));
        assert_eq!(authorized_client(&server, &keys, &client), json!({"disabled": false, "last_exercised": null, "user_count": 0}));
        assert_eq!(decided(&show("Acme")), [authorized[0].clone(), authorized[1].clone(), json!(false)]);
        for command in ["disable", "enable"] {
            program.run(["client", command, "--org", "Acme", NOBODY])
                .failed(1, &format!("no client has the ID {NOBODY}; `grantor client list --all` lists all registered clients"));
        }
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
}
