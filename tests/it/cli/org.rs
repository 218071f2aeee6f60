//! `grantor org`.

use grantor::rules::scope::catalog;
use grantor::rules::scope::catalog::ScopeCatalog;
use serde_json::{Value, json};

use super::{id, members};
use crate::support::{EVERYTHING_GRANTED, Program, TOKENS_UNTIL_2100};

on_both! {
    async fn organizations_can_be_created_listed_and_limited(engine: Engine) {
        let program = Program::on(engine).await;
        program.run(["migrate", "up"]).succeeded();

        let created = program.json(&["org", "create", "Acme"]);
        let listed = program.json(&["org", "list"]);
        let bounded = program.json(&["org", "set", "Acme", "--default-client-scopes", "openid,mcp_read"]);
        let closed = program.json(&["org", "set", "Acme", "--default-client-scopes", ""]);
        let unbounded = program.json(&["org", "set", "Acme", "--default-client-scopes", "all"]);

        assert_eq!(created, json!({"id": id(&created["id"]), "name": "Acme"}));
        let org = json!({
            "id": created["id"],
            "name": "Acme",
            "default_client_scopes": null,
            "created_at": listed[0]["created_at"],
        });
        assert_eq!(listed, json!([org]));
        let summary = |changed: &Value| (changed["id"].clone(), changed["default_client_scopes"].clone());
        assert_eq!(summary(&bounded), (org["id"].clone(), json!(["mcp_read", "openid"])));
        assert_eq!(summary(&closed), (org["id"].clone(), json!([])));
        assert_eq!(summary(&unbounded), (org["id"].clone(), Value::Null));
    }

    async fn a_previewed_default_is_applied_only_if_it_did_not_change_meanwhile(engine: Engine) {
        let program = Program::on(engine).await;
        program.run(["migrate", "up"]).succeeded();
        program.run(["org", "create", "Acme"]).succeeded();
        let set = ["org", "set", "Acme", "--default-client-scopes"];
        program.json(&[&set[..], &["openid email"]].concat());

        let preview = program.json(&[&set[..], &["openid mcp_read", "--dry-run"]].concat());
        let in_words = program.run([&set[..], &["openid mcp_read", "--dry-run"]].concat());
        let in_words = in_words.succeeded();
        let digest = preview["digest"].as_str().expect("a digest");
        let tied = [&set[..], &["openid mcp_read", "--if-digest", digest]].concat();
        let changed = program.json(&tied);
        let again = program.run(tied);

        let effect = |value: &Value| {
            let members = ["dry_run", "scopes_added", "scopes_removed", "grants", "users"];
            members.map(|member| value[member].clone())
        };
        let with = |dry_run: bool| [json!(dry_run), json!(["mcp_read"]), json!(["email"]), json!(0), json!(0)];
        assert_eq!((effect(&preview), effect(&changed)), (with(true), with(false)));
        assert!(in_words.contains("Scopes removed: email"), "{in_words}");
        assert!(in_words.contains(&format!("--if-digest {digest}")), "{in_words}");
        again.failed(1, "the default has changed since the preview");
        assert_eq!(program.json(&["org", "list"])[0]["default_client_scopes"], json!(["mcp_read", "openid"]));
    }

    async fn the_default_scopes_may_be_the_whole_catalog(engine: Engine) {
        let program = Program::on(engine).await;
        program.run(["migrate", "up"]).succeeded();
        program.run(["org", "create", "Acme"]).succeeded();
        let catalog = ScopeCatalog::from_toml(catalog::SHIPPED).expect("a catalog");
        let names: Vec<&str> = catalog.iter().map(|scope| scope.name.as_str()).collect();

        let changed = program.json(&["org", "set", "Acme", "--default-client-scopes", &names.join(",")]);

        assert_eq!(changed["default_client_scopes"], json!(names));
    }

    async fn unknown_scopes_are_refused_as_default_scopes(engine: Engine) {
        let program = Program::on(engine).await;
        program.run(["migrate", "up"]).succeeded();
        program.run(["org", "create", "Acme"]).succeeded();

        let refused = program.run(["org", "set", "Acme", "--default-client-scopes", "openid nonsense"]);

        refused.failed(1, "\"nonsense\" is not a scope of the catalog");
        assert_eq!(program.json(&["org", "list"])[0]["default_client_scopes"], Value::Null);
    }

    async fn changing_the_default_reports_how_long_the_last_tokens_stay_valid(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        program.start().registered("Editor");
        program.execute(EVERYTHING_GRANTED).await;
        program.execute(TOKENS_UNTIL_2100).await;
        let set = ["org", "set", "Acme", "--default-client-scopes", "openid"];
        let dry_run = [&set[..], &["--dry-run"]].concat();

        let previewed_in_words = program.run(&dry_run).succeeded().to_owned();
        let preview = program.json(&dry_run);
        let done = program.json(&set);
        let nothing_left = program.run(set).succeeded().to_owned();

        let sentence = "APIs that only check signatures may accept tokens with the removed scopes for up to ";
        assert!(previewed_in_words.contains("Grants that would end: 1\n"), "{previewed_in_words}");
        assert!(previewed_in_words.contains(sentence), "{previewed_in_words}");
        for value in [&preview, &done] {
            let effect = (&value["grants_ended"], &value["last_token_expires_at"]);
            assert_eq!(effect, (&json!(1), &json!("2100-01-01T00:00:00Z")));
        }
        assert!(nothing_left.ends_with("Grants ended: 0\n"), "{nothing_left}");
    }

    async fn an_organization_can_be_renamed(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();

        let renamed = program.json(&["org", "rename", "Acme", "Acme Ltd"]);

        assert_eq!(renamed, json!({"id": id(&renamed["id"]), "name": "Acme Ltd"}));
        assert_eq!(members(&program.json(&["org", "list"]), "name"), ["Acme Ltd"]);
    }
}
