//! `grantor bootstrap`, `org`, `user` and `key`.

use grantor::rules::scope::catalog;
use grantor::rules::scope::catalog::ScopeCatalog;
use serde_json::{Value, json};

use crate::support::{EVERYTHING_GRANTED, Engine, Program, TOKENS_UNTIL_2100};

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

    async fn only_a_generated_password_is_printed(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let set = ["--output", "json", "user", "set-password", "--email", "admin@acme.example"];

        let made = program.run(set).json();
        let given = program.run_with_input(set.iter().chain(&["--password-stdin"]), "a long pass phrase\n").json();

        assert_eq!(made, json!({"email": "admin@acme.example", "password": text(&made["password"])}));
        assert_eq!(given, json!({"email": "admin@acme.example", "password": null}));
    }

    async fn a_weak_password_is_refused_everywhere(engine: Engine) {
        let program = Program::on(engine).await;
        let weak = |arguments: &[&str], password: &str| {
            program.run_with_input(arguments.iter().chain(&["--password-stdin"]), &format!("{password}\n"))
        };
        let common = "the password is too easy to guess: it consists of common words or patterns";
        let personal = "the password is too easy to guess: it consists of the email address, the name or the organization";

        weak(&["bootstrap", "--org", "Acme", "--email", "ada@acme.example"], "Password-2026!").failed(1, common);
        program.bootstrap();
        weak(&create("eve@acme.example", "standard"), "Acme eve example").failed(1, personal);
        let set = ["user", "set-password", "--email", "admin@acme.example"];
        weak(&set, "eleven char").failed(1, "the password must have at least 12 characters");
        weak(&set, "admin@acme.example").failed(1, personal);
    }

    async fn a_password_reset_can_end_all_grants_of_the_user(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();

        let set = program.run(["user", "set-password", "--email", "admin@acme.example", "--end-grants"]);

        assert!(set.succeeded().contains("It must be changed at the next sign-in."), "{}", set.stdout);
    }

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

    async fn keys_are_created_listed_without_secrets_and_revoked(engine: Engine) {
        let program = Program::on(engine).await;
        let first = program.bootstrap();

        let made = program.json(&["key", "create", "--org", "Acme", "--user", "admin@acme.example"]);
        let revoked = program.json(&["key", "revoke", made["api_key_id"].as_str().expect("an id")]);
        let listed = program.json(&["key", "list", "--org", "Acme"]);

        assert_eq!(made, json!({
            "api_key": text(&made["api_key"]),
            "api_key_id": id(&made["api_key_id"]),
            "application_key": text(&made["application_key"]),
            "application_key_id": id(&made["application_key_id"]),
        }));
        assert_eq!(revoked, json!({"id": made["api_key_id"], "revoked": true}));
        assert_eq!(members(&listed, "kind"), ["api_key", "api_key", "application_key", "application_key"]);
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

#[tokio::test]
async fn an_empty_password_is_a_usage_error() {
    let program = Program::on(Engine::Sqlite).await;
    program.bootstrap();

    let refused =
        program.run_with_input(["user", "set-password", "--email", "admin@acme.example", "--password-stdin"], "\n");

    refused.failed(2, "--password-stdin: the first line of standard input is empty");
}

#[tokio::test]
async fn a_printed_table_has_one_line_per_row() {
    let program = Program::on(Engine::Sqlite).await;
    program.bootstrap();

    let table = program.run(["user", "list"]);

    let lines: Vec<&str> = table.succeeded().lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let heading: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(heading, ["ID", "EMAIL", "ORG", "ROLE", "DISABLED", "AT"]);
}

/// SQL that lets the reader have authorized everything, with nothing ended.
const GRANTED_BY_THE_READER: &str = "
    UPDATE grants SET revoked_at = NULL, user_id = (SELECT id FROM users WHERE email = 'reader@acme.example')";

fn create<'a>(email: &'a str, role: &'a str) -> [&'a str; 8] {
    ["user", "create", "--org", "Acme", "--email", email, "--role", role]
}

/// The value, if it is a UUID.
fn id(value: &Value) -> &str {
    let id = value.as_str().unwrap_or_else(|| panic!("{value} is not an id"));
    uuid::Uuid::parse_str(id).unwrap_or_else(|error| panic!("{id}: {error}"));
    id
}

/// The value if it is a text that is not empty.
fn text(value: &Value) -> &str {
    value.as_str().filter(|text| text.len() >= 20).unwrap_or_else(|| panic!("{value} is not a secret"))
}

fn members<'a>(list: &'a Value, name: &str) -> Vec<&'a str> {
    let items = list.as_array().unwrap_or_else(|| panic!("{list} is not a list"));
    items.iter().map(|item| item[name].as_str().expect("text")).collect()
}
