//! The layers: files, the environment and flags, and the settings that result.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::*;

#[test]
fn a_later_layer_overrides_an_earlier_one() {
    let layers = |file: bool, environment: bool, flags: &[(&str, &str)]| Sources {
        file: file.then(|| ("/etc/grantor.toml".into(), "[log]\nlevel = \"file\"".to_owned())),
        environment: pairs(if environment {
            &[("GRANTOR_LOG__LEVEL", "environment")]
        } else {
            &[]
        }),
        flags: pairs(flags),
        read_file: files,
    };
    let cases = [
        (layers(false, false, &[]), "info", "default"),
        (layers(true, false, &[]), "file", "log.level in the file /etc/grantor.toml"),
        (layers(true, true, &[]), "environment", "environment variable GRANTOR_LOG__LEVEL"),
        (layers(true, true, &[("log.level", "flag")]), "flag", "flag --set log.level"),
        (
            layers(true, true, &[("log.level", "one"), ("log.level", "two")]),
            "two",
            "flag --set log.level",
        ),
    ];
    for (sources, level, source) in cases {
        let loaded = Config::load(&sources).expect("settings");
        let setting = loaded.effective.iter().find(|setting| setting.name == "log.level");
        let named = setting.map(|setting| setting.source.to_string());

        assert_eq!((loaded.config.log.level.as_str(), named.as_deref()), (level, Some(source)));
    }
}

#[test]
fn database_url_overrides_the_file_and_our_own_variable_overrides_both() {
    let in_file =
        Some(("/etc/grantor.toml".into(), "[database]\nurl = \"sqlite:file.db\"".to_owned()));
    let cases: [(Variables, &str); 5] = [
        (&[], "sqlite:file.db"),
        (&[("DATABASE_URL", "")], "sqlite:file.db"),
        (&[("DATABASE_URL", "postgres://usual/db")], "postgres://usual/db"),
        (
            &[("DATABASE_URL", "postgres://usual/db"), ("GRANTOR_DATABASE__URL", "sqlite:ours.db")],
            "sqlite:ours.db",
        ),
        (
            &[
                ("DATABASE_URL", "postgres://usual/db"),
                ("GRANTOR_DATABASE__URL_FILE", "/run/secrets/grantor_database_url"),
            ],
            "postgres://***@db/grantor",
        ),
    ];
    for (variables, expected) in cases {
        let sources = Sources { file: in_file.clone(), ..environment(variables) };

        assert_eq!(load(&sources).database.url.to_string(), expected);
    }
}

#[test]
fn text_is_converted_to_the_type_of_the_setting() {
    let config = load(&environment(&[
        ("GRANTOR_HTTP__MANAGEMENT_LISTEN", ""),
        ("GRANTOR_HTTP__TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
        ("GRANTOR_HTTP__REQUEST_TIMEOUT", "7"),
        ("GRANTOR_REGISTRATION__TOLERATE", ""),
        ("GRANTOR_REGISTRATION__DEDUPLICATE", "false"),
        ("GRANTOR_REGISTRATION__PRIVATE_SCHEMES", r#"["cursor","com.example.app"]"#),
        ("GRANTOR_RESTRICTION__ON_NARROW", "narrow_grants"),
        ("GRANTOR_CLIENT_DOCUMENTS__ALLOW_LOOPBACK", "true"),
    ]));

    assert_eq!(config.http.management_listen, None);
    let proxies: Vec<_> = config.http.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["10.0.0.0/8", "::1/128"]);
    assert_eq!(config.http.request_timeout, Duration::from_secs(7));
    assert!(config.registration.tolerate.is_empty() && !config.registration.deduplicate);
    assert_eq!(config.registration.private_schemes, ["cursor", "com.example.app"]);
    assert_eq!(config.restriction.on_narrow, OnNarrow::NarrowGrants);
    assert!(config.client_documents.allow_loopback);
}

#[test]
fn required_scopes_are_read_from_a_file_and_from_json() {
    let id = "fafa8e1c-36a5-11f0-a83d-da7ad0900001";
    let toml = format!(
        "[[restriction.required]]\nclient_id = \"{id}\"\npermission_scopes = [\"mobile_app_access\"]"
    );
    let json = json!([{"client_id": id, "permission_scopes": ["mobile_app_access"]}]).to_string();
    for sources in [file(&toml), environment(&[("GRANTOR_RESTRICTION__REQUIRED", &json)])] {
        let restriction = load(&sources).restriction;
        let required = restriction.required_of(id.parse().expect("a UUID"));

        assert_eq!(required.map(ToString::to_string).as_deref(), Some("mobile_app_access"));
        assert_eq!(restriction.required_of(Uuid::nil()), None);
    }
}

#[test]
fn a_custom_catalog_replaces_the_shipped_one() {
    let loaded = Config::load(&environment(&[("GRANTOR_SCOPES__CATALOG", "/etc/scopes.toml")]))
        .expect("settings");

    assert_eq!(
        loaded.catalog.iter().map(|scope| scope.name.as_str()).collect::<Vec<_>>(),
        ["read_all"]
    );
    assert_eq!(Config::load(&nothing()).expect("settings").catalog.iter().len(), 122);
}

#[test]
fn the_minimal_catalog_is_selected_by_name_without_a_file() {
    let loaded =
        Config::load(&environment(&[("GRANTOR_SCOPES__CATALOG", "minimal")])).expect("settings");

    assert_eq!(loaded.catalog.iter().len(), 19);
    assert!(
        loaded.catalog.find("mcp_read").is_some()
            && loaded.catalog.find("dashboards_read").is_none()
    );
}

#[test]
fn variables_that_kubernetes_sets_for_a_service_named_grantor_are_ignored() {
    let config = load(&environment(&[
        ("GRANTOR_PORT", "tcp://10.0.0.7:8080"),
        ("GRANTOR_PORT_8080_TCP_ADDR", "10.0.0.7"),
        ("GRANTOR_SERVICE_HOST", "10.0.0.7"),
    ]));

    assert_eq!(config, load(&nothing()));
}
