//! `grantor client list`.

use serde_json::{Value, json};

use crate::cli::restriction::set;
use crate::support::{EVERYTHING_GRANTED, Program};

on_both! {
    async fn registered_clients_are_listed_and_found_by_name(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let server = program.start();
        let (reader, writer) = (server.registered("A reader"), server.registered("A writer"));
        let list = |more: &[&str]| program.json(&[&["client", "list", "--all"], more].concat());

        let (all, found) = (list(&[]), list(&["--org", "Acme", "--name", "read"]));
        let one = program.run(["client", "list", "--all", "--limit", "1"]);

        let mut ids: Vec<&Value> = all.as_array().expect("a list").iter().map(|client| &client["id"]).collect();
        ids.sort_by_key(|id| *id != &json!(reader));
        assert_eq!(json!(ids), json!([reader, writer]));
        assert_eq!(found, json!([{
            "id": reader,
            "name": "A reader",
            "redirect_uris": ["https://example.com/callback"],
            "registered_at": found[0]["registered_at"],
            "last_seen_at": found[0]["last_seen_at"],
            "registrations": 1,
            "asleep": false,
            "restricted": false,
            "disabled": false,
            "people": 0,
            "last_used_at": null,
        }]));
        assert_eq!(one.succeeded().lines().count(), 2, "{}", one.stdout);
        assert_eq!(one.stderr, "There is more: only the first 1 are shown. Raise --limit to see the rest.\n");
    }

    async fn an_organization_lists_its_apps(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let server = program.start();
        let used = server.registered("Used \"tool\"");
        program.execute(EVERYTHING_GRANTED).await;
        program.execute("UPDATE grants SET last_used_at = 1767398400").await;
        let (unused, restricted) = (server.registered("Unused"), server.registered("Restricted"));
        set(&program, &restricted, "openid", "");
        let list = |more: &[&str]| program.run([&["client", "list"], more].concat()).succeeded().to_owned();

        let (text, json) = (list(&[]), program.json(&["client", "list"]));
        program.run(["client", "disable", &used]).succeeded();

        assert_eq!(
            text,
            format!(
                "NAME             PEOPLE  REDIRECTS TO  LAST USED   STATE\n\
                 \x20 ID\n\
                 \"Used \\\"tool\\\"\"  1       example.com   2026-01-03  active\n\
                 \x20 {used}\n\
                 \"Restricted\"     0       example.com   never       active, restricted\n\
                 \x20 {restricted}\n"
            )
        );
        let ids: Vec<&Value> = json.as_array().expect("a list").iter().map(|app| &app["id"]).collect();
        assert_eq!(json!(ids), json!([used, restricted]));
        assert_eq!((&json[0]["people"], &json[0]["last_used_at"]), (&json!(1), &json!("2026-01-03T00:00:00Z")));
        assert!(list(&["--name", "used"]).contains("disabled"));
        assert!(list(&["--all"]).contains(&unused));
        assert_eq!(list(&["--name", "nothing"]), "\"Acme\" uses no app with this text in its name; --all lists every registered client\n");
    }

    async fn the_only_organization_is_the_default_and_one_of_several_must_be_named(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        // `grantor selftest` leaves this one behind.
        program.run(["org", "create", "grantor selftest"]).succeeded();
        assert_eq!(program.json(&["client", "list"]), json!([]));

        program.run(["org", "create", "Umbra"]).succeeded();

        let which = "there are 2 organizations: \"Acme\", \"Umbra\". Name one with --org or in GRANTOR_ORG";
        program.run(["client", "list"]).failed(2, which);
        program.run(["client", "list", "--org", "Umbra"]).succeeded();
        let in_umbra = program.clone().with("GRANTOR_ORG", "Umbra");
        in_umbra.run(["client", "list"]).succeeded();
        in_umbra.run(["config", "check"]).succeeded();
        in_umbra.run(["client", "list", "--org", "Nowhere"])
            .failed(1, "no organization is named \"Nowhere\"; `grantor org list` lists all");
        program.clone().with("GRANTOR_ORG", "").run(["client", "list"]).failed(2, which);
    }
}
