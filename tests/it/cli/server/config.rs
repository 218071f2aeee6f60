//! `grantor config`, and the sources of settings.

use serde_json::json;

use crate::support::{DATABASE_PASSWORD, Program};

#[test]
fn config_example_is_the_reference_byte_for_byte() {
    let example = Program::on_the_default_file().run(["config", "example"]);

    assert_eq!((example.code, example.stderr.as_str()), (0, ""));
    assert_eq!(example.stdout, include_str!("../../../../config/default.toml"));
}

#[test]
fn the_reference_is_valid() {
    let program = Program::on_the_default_file();
    program.write("default.toml", include_str!("../../../../config/default.toml"));

    program.run(["--config", "default.toml", "config", "check"]).succeeded();
}

#[test]
fn config_check_reports_success() {
    let program = Program::on_the_default_file();

    assert_eq!(program.json(&["config", "check"]), json!({"ok": true}));
    assert_eq!(program.run(["config", "check"]).stdout, "the settings are valid\n");
}

#[test]
fn config_check_lists_every_problem_at_once_and_exits_with_3() {
    let program = Program::on_the_default_file()
        .with("GRANTOR_HTTP__LISEN", "127.0.0.1:1")
        .with("GRANTOR_LIMITS__CONNECTIONS", "many");
    program.write("grantor.toml", "[tokens]\ncode_tll = 60\naccess_ttl = \"long\"\n");

    let checked =
        program.run(["--config", "grantor.toml", "--set", "log.levle=info", "config", "check"]);

    checked.failed(
        3,
        "the settings are not valid:\n\
         \x20 - tokens.access_ttl, from tokens.access_ttl in the file grantor.toml: is text in quotation marks, not a whole \
         number; allowed: whole seconds from 1 to 100 years\n\
         \x20 - tokens.code_tll in the file grantor.toml is not a setting; did you mean tokens.code_ttl?\n\
         \x20 - environment variable GRANTOR_HTTP__LISEN is not a setting; did you mean GRANTOR_HTTP__LISTEN?\n\
         \x20 - limits.connections, from environment variable GRANTOR_LIMITS__CONNECTIONS: \"many\" is not a whole number; \
         allowed: a whole number; 0 means no limit\n\
         \x20 - flag --set log.levle is not a setting; did you mean log.level?",
    );
}

#[test]
fn an_invalid_log_level_is_a_problem_too() {
    let checked = Program::on_the_default_file().run([
        "--set",
        "log.level=inof,grantor=debug",
        "config",
        "check",
    ]);

    checked.failed(3, "`log.level` is not valid: \"inof\" is not a level");
}

#[test]
fn a_problem_is_json_if_json_was_requested() {
    let checked =
        Program::on_the_default_file().run(["--output", "json", "--set", "x=1", "config", "check"]);

    checked.failed(
        3,
        &json!({"error": "the settings are not valid:\n  - flag --set x is not a setting"})
            .to_string(),
    );
}

#[test]
fn every_other_command_exits_with_1_if_settings_are_invalid() {
    let program = Program::on_the_default_file().with("GRANTOR_DATABASE__ULR", "sqlite:x.db");

    let text = "the settings are not valid:\n  - environment variable GRANTOR_DATABASE__ULR is not a setting; did you mean \
                GRANTOR_DATABASE__URL?";
    for arguments in [["org", "list"], ["migrate", "up"], ["config", "print"]] {
        program.run(arguments).failed(1, text);
    }
    program.run(["serve"]).failed(1, text);
}

#[test]
fn flags_override_the_environment_and_the_environment_overrides_the_file() {
    let program = Program::on_the_default_file().with("GRANTOR_CONFIG", "grantor.toml");
    program.write("grantor.toml", "[tokens]\naccess_ttl = 1\ncode_ttl = 1\nrefresh_grace = 1\n");
    let program =
        program.with("GRANTOR_TOKENS__ACCESS_TTL", "2").with("GRANTOR_TOKENS__CODE_TTL", "2");

    let printed = program.json(&["--set", "tokens.access_ttl=3", "config", "print"]);

    let shown =
        ["tokens.access_ttl", "tokens.code_ttl", "tokens.refresh_grace", "tokens.refresh_ttl"];
    assert_eq!(
        json!(shown.map(|name| &printed[name])),
        json!([
            {"value": 3, "source": "flag --set tokens.access_ttl"},
            {"value": 2, "source": "environment variable GRANTOR_TOKENS__CODE_TTL"},
            {"value": 1, "source": "tokens.refresh_grace in the file grantor.toml"},
            {"value": 31_536_000, "source": "default"},
        ])
    );
}

#[test]
fn the_config_flag_overrides_the_config_variable() {
    let program = Program::on_the_default_file().with("GRANTOR_CONFIG", "missing.toml");
    program.write("grantor.toml", "[tokens]\ncode_ttl = 7\n");

    let printed = program.json(&["--config", "grantor.toml", "config", "print"]);

    assert_eq!(printed["tokens.code_ttl"]["value"], 7);
    program.run(["config", "check"]).failed(
        3,
        "the settings are not valid:\n  - environment variable GRANTOR_CONFIG: the file missing.toml cannot be read: No \
         such file or directory (os error 2)",
    );
}

#[test]
fn lists_are_json_or_separated_by_commas() {
    let program = Program::on_the_default_file()
        .with("GRANTOR_HTTP__TRUSTED_PROXIES", "10.0.0.0/8, ::1")
        .with("GRANTOR_REGISTRATION__TOLERATE", r#"["client_secret_post"]"#);

    let printed = program.json(&["config", "print"]);

    assert_eq!(printed["http.trusted_proxies"]["value"], json!(["10.0.0.0/8", "::1"]));
    assert_eq!(printed["registration.tolerate"]["value"], json!(["client_secret_post"]));
}

#[test]
fn the_list_of_sites_may_be_empty() {
    let by_file = Program::on_the_default_file().with("GRANTOR_CONFIG", "grantor.toml");
    by_file.write("grantor.toml", "[sites]\nhosts = []\n");
    let by_variable = Program::on_the_default_file().with("GRANTOR_SITES__HOSTS", "[]");

    for program in [by_file, by_variable] {
        assert_eq!(program.json(&["config", "check"]), json!({"ok": true}));
        assert_eq!(program.json(&["config", "print"])["sites.hosts"]["value"], json!([]));
    }
}

#[test]
fn config_print_shows_no_secret_in_either_form() {
    let secret = "a-sealing-key-of-more-than-32-characters";
    let program = Program::on_the_default_file().with("GRANTOR_SECRETS__KEY", secret).with(
        "GRANTOR_DATABASE__URL",
        format!("postgres://grantor:{DATABASE_PASSWORD}@db.example:5432/grantor"),
    );

    let json = program.json(&["config", "print"]);
    let text = program.run(["config", "print"]).stdout;

    assert_eq!(
        json["secrets.key"],
        json!({"value": "***", "source": "environment variable GRANTOR_SECRETS__KEY"})
    );
    let url = json!({
        "value": "postgres://***@db.example:5432/grantor",
        "source": "environment variable GRANTOR_DATABASE__URL",
    });
    assert_eq!(json["database.url"], url);
    assert!(
        text.contains("secrets.key = \"***\" # environment variable GRANTOR_SECRETS__KEY\n"),
        "{text}"
    );
    for shown in [json.to_string(), text] {
        assert!(!shown.contains(secret) && !shown.contains(DATABASE_PASSWORD), "{shown}");
    }
}

#[test]
fn a_secret_can_be_read_from_its_own_file() {
    let program = Program::on_the_default_file()
        .with("GRANTOR_SECRETS__KEY_FILE", "key")
        .with("GRANTOR_DATABASE__URL_FILE", "url");
    program.write("key", "a-sealing-key-of-more-than-32-characters\n");
    program.write("url", "sqlite:elsewhere.db\n");

    let printed = program.json(&["config", "print"]);
    program.run(["migrate", "up"]).succeeded();

    let from_file =
        json!({"value": "***", "source": "environment variable GRANTOR_SECRETS__KEY_FILE"});
    assert_eq!(printed["secrets.key"], from_file);
    assert_eq!(printed["database.url"]["value"], "sqlite:elsewhere.db");
    assert!(program.folder().join("elsewhere.db").exists());
}

#[test]
fn a_secret_and_its_file_cannot_both_be_given() {
    let program = Program::on_the_default_file()
        .with("GRANTOR_DATABASE__URL", "sqlite:one.db")
        .with("GRANTOR_DATABASE__URL_FILE", "url");
    program.write("url", "sqlite:other.db");

    program.run(["config", "check"]).failed(
        3,
        "the settings are not valid:\n  - database.url: environment variable GRANTOR_DATABASE__URL and environment \
         variable GRANTOR_DATABASE__URL_FILE are both given; keep one of them",
    );
}

#[test]
fn an_invalid_secret_is_not_quoted() {
    let program = Program::on_the_default_file()
        .with("GRANTOR_DATABASE__URL", format!("postgres://grantor:{DATABASE_PASSWORD}/grantor"))
        .with("GRANTOR_SECRETS__KEY", "too-short-a-secret");

    let checked = program.run(["config", "check"]);

    assert_eq!(checked.code, 3);
    for secret in [DATABASE_PASSWORD, "too-short-a-secret"] {
        assert!(!checked.stderr.contains(secret), "{}", checked.stderr);
    }
}

#[test]
fn database_url_is_used_and_our_own_variable_overrides_it() {
    let program = Program::on_the_default_file().with("DATABASE_URL", "sqlite:platform.db");
    let both = program.clone().with("GRANTOR_DATABASE__URL", "sqlite:own.db");

    let platform =
        json!({"value": "sqlite:platform.db", "source": "environment variable DATABASE_URL"});
    let own =
        json!({"value": "sqlite:own.db", "source": "environment variable GRANTOR_DATABASE__URL"});
    assert_eq!(program.json(&["config", "print"])["database.url"], platform);
    assert_eq!(both.json(&["config", "print"])["database.url"], own);
}

#[test]
fn an_issuer_that_clients_cannot_reach_is_refused() {
    let program = Program::on_the_default_file().with("GRANTOR_HTTP__LISTEN", "0.0.0.0:8080");

    let refused = program.run(["config", "check"]);

    assert_eq!(refused.code, 3);
    assert!(refused.stderr.contains("http.public_url"), "{}", refused.stderr);
}
