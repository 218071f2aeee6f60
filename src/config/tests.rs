//! Settings from end to end: the layers, the resulting settings, and the error texts.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::rules::scope::offered::Excess;

/// A key ring with one key, whose id is `2026`.
const KEY: &str = "2026:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

type Variables<'a> = &'a [(&'a str, &'a str)];

fn files(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some("/run/secrets/grantor_database_url") => Ok("postgres://grantor:hunter2@db/grantor\n".to_owned()),
        Some("/run/secrets/grantor_key") => Ok(format!("{KEY}\r\n")),
        Some("/etc/scopes.toml") => Ok("[permission]\nread_all = { description = \"See all\" }".to_owned()),
        Some("/etc/broken.toml") => Ok("[permission]\nemail = { description = \"See\" }\nflat = 1".to_owned()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    }
}

fn pairs(given: Variables) -> Vec<(String, String)> {
    given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn nothing() -> Sources {
    Sources { file: None, environment: Vec::new(), flags: Vec::new(), read_file: files }
}

fn file(text: &str) -> Sources {
    Sources { file: Some(("/etc/grantor.toml".into(), text.to_owned())), ..nothing() }
}

fn environment(given: Variables) -> Sources {
    Sources { environment: pairs(given), ..nothing() }
}

fn load(sources: &Sources) -> Config {
    Config::load(sources).expect("settings that can be used").config
}

/// The text of each error.
fn refused(sources: &Sources) -> Vec<String> {
    Config::load(sources).expect_err("settings that cannot be used").iter().map(ToString::to_string).collect()
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

#[test]
fn without_any_setting_the_server_runs_on_this_machine_with_a_file() {
    let config = load(&nothing());

    assert_eq!(config.http.listen, address("127.0.0.1:8080"));
    assert_eq!(config.http.public_url, "http://127.0.0.1:8080");
    assert_eq!(config.http.management_listen, Some(address("127.0.0.1:8081")));
    assert_eq!(config.database.url, DatabaseUrl::Sqlite("data/grantor.db".into()));
    assert_eq!(config.database.acquire_timeout, Duration::from_millis(1500));
    assert_eq!(config.registration.tolerate, ["client_secret_post", "urn:ietf:params:oauth:grant-type:device_code"]);
    assert_eq!((config.restriction.on_excess, config.restriction.on_narrow), (Excess::Narrow, OnNarrow::Revoke));
    assert_eq!(config.sites.hosts.len(), 8);
    assert_eq!(config.secrets, Secrets { key_max_age: 31_536_000, key: None });
}

#[test]
fn only_the_untouched_database_is_the_default_one() {
    assert!(load(&nothing()).database.is_default_file());
    for url in ["sqlite:other.db", "sqlite:/data/grantor.db", "postgres://db/grantor"] {
        assert!(!load(&environment(&[("GRANTOR_DATABASE__URL", url)])).database.is_default_file(), "{url}");
    }
}

#[test]
fn a_later_layer_overrides_an_earlier_one() {
    let layers = |file: bool, environment: bool, flags: &[(&str, &str)]| Sources {
        file: file.then(|| ("/etc/grantor.toml".into(), "[log]\nlevel = \"file\"".to_owned())),
        environment: pairs(if environment { &[("GRANTOR_LOG__LEVEL", "environment")] } else { &[] }),
        flags: pairs(flags),
        read_file: files,
    };
    let cases = [
        (layers(false, false, &[]), "info", "default"),
        (layers(true, false, &[]), "file", "log.level in the file /etc/grantor.toml"),
        (layers(true, true, &[]), "environment", "environment variable GRANTOR_LOG__LEVEL"),
        (layers(true, true, &[("log.level", "flag")]), "flag", "flag --set log.level"),
        (layers(true, true, &[("log.level", "one"), ("log.level", "two")]), "two", "flag --set log.level"),
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
    let in_file = Some(("/etc/grantor.toml".into(), "[database]\nurl = \"sqlite:file.db\"".to_owned()));
    let cases: [(Variables, &str); 5] = [
        (&[], "sqlite:file.db"),
        (&[("DATABASE_URL", "")], "sqlite:file.db"),
        (&[("DATABASE_URL", "postgres://usual/db")], "postgres://usual/db"),
        (&[("DATABASE_URL", "postgres://usual/db"), ("GRANTOR_DATABASE__URL", "sqlite:ours.db")], "sqlite:ours.db"),
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
    let toml = format!("[[restriction.required]]\nclient_id = \"{id}\"\npermission_scopes = [\"mobile_app_access\"]");
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
    let loaded = Config::load(&environment(&[("GRANTOR_SCOPES__CATALOG", "/etc/scopes.toml")])).expect("settings");

    assert_eq!(loaded.catalog.iter().map(|scope| scope.name.as_str()).collect::<Vec<_>>(), ["read_all"]);
    assert_eq!(Config::load(&nothing()).expect("settings").catalog.iter().len(), 122);
}

#[test]
fn the_minimal_catalog_is_selected_by_name_without_a_file() {
    let loaded = Config::load(&environment(&[("GRANTOR_SCOPES__CATALOG", "minimal")])).expect("settings");

    assert_eq!(loaded.catalog.iter().len(), 19);
    assert!(loaded.catalog.find("mcp_read").is_some() && loaded.catalog.find("dashboards_read").is_none());
}

#[test]
fn the_old_name_of_a_setting_is_refused_with_its_new_one() {
    let expected = ["scopes.catalogue in the file /etc/grantor.toml was renamed; use scopes.catalog"];
    assert_eq!(refused(&file("scopes.catalogue = \"\"")), expected);
    let expected = ["environment variable GRANTOR_SCOPES__CATALOGUE was renamed; use GRANTOR_SCOPES__CATALOG"];
    assert_eq!(refused(&environment(&[("GRANTOR_SCOPES__CATALOGUE", "a.toml")])), expected);
}

#[test]
fn every_error_is_reported_at_once_with_its_source_and_the_allowed_values() {
    let sources = Sources {
        environment: pairs(&[
            ("GRANTOR_HTTP__LISTEN", "localhost:80"),
            ("GRANTOR_LISTEN", "0.0.0.0:80"),
            ("GRANTOR_TOKENS__CODE_TTL", "soon"),
            ("GRANTOR_CONFIG", "/etc/grantor.toml"),
            ("PATH", "/bin"),
        ]),
        flags: pairs(&[("log.format", "xml"), ("log.color", "red")]),
        ..file(
            r#"
            [http]
            max_in_flight = 0
            public_url = "https://auth.example.com/"
            [limits]
            connections = "many"
            [htpp]
            listen = ""
            "#,
        )
    };

    let expected = [
        "htpp.listen in the file /etc/grantor.toml is not a setting; did you mean http.listen?",
        "limits.connections, from limits.connections in the file /etc/grantor.toml: is text in quotation marks, \
         not a whole number; allowed: a whole number; 0 means no limit",
        "environment variable GRANTOR_LISTEN is not a setting; did you mean GRANTOR_HTTP__LISTEN?",
        "tokens.code_ttl, from environment variable GRANTOR_TOKENS__CODE_TTL: \"soon\" is not a \
         whole number; allowed: whole seconds from 1 to 600",
        "flag --set log.color is not a setting",
        "http.listen, from environment variable GRANTOR_HTTP__LISTEN: invalid socket address syntax; \
         allowed: an address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"",
        "http.max_in_flight, from http.max_in_flight in the file /etc/grantor.toml: 0 is not at least 1; \
         allowed: a whole number, at least 1",
        "http.public_url, from http.public_url in the file /etc/grantor.toml: \
         \"https://auth.example.com/\" is not an origin; allowed: http:// or https://, a host and \
         optionally a port, without a path or a trailing slash",
        "log.format, from flag --set log.format: unknown variant `xml`, expected one of `auto`, `text`, `json`; \
         allowed: \"auto\", \"text\" or \"json\"",
    ];
    assert_eq!(refused(&sources), expected);
}

#[test]
fn settings_must_be_consistent() {
    let unspecified = "clients cannot connect to an unspecified address: set http.public_url to \
                       the URL that they use";
    let same_place = "http.listen and http.management_listen use the same address and port";
    let cases: [(Variables, Option<&str>); 10] = [
        (&[("GRANTOR_HTTP__LISTEN", "0.0.0.0:8080")], Some(unspecified)),
        (&[("GRANTOR_HTTP__LISTEN", "[::]:8080")], Some(unspecified)),
        (&[("GRANTOR_HTTP__LISTEN", "[::]:8080"), ("GRANTOR_HTTP__PUBLIC_URL", "https://auth.example.com")], None),
        (&[("GRANTOR_HTTP__LISTEN", "127.0.0.1:8081")], Some(same_place)),
        (
            &[("GRANTOR_HTTP__LISTEN", "0.0.0.0:8081"), ("GRANTOR_HTTP__PUBLIC_URL", "http://a.example")],
            Some(same_place),
        ),
        (&[("GRANTOR_HTTP__LISTEN", "127.0.0.2:8081")], None),
        (&[("GRANTOR_HTTP__LISTEN", "127.0.0.1:0"), ("GRANTOR_HTTP__MANAGEMENT_LISTEN", "127.0.0.1:0")], None),
        // Deleted clients that register again get the same ID, so this may be shorter than
        // sleep_after.
        (&[("GRANTOR_REGISTRATION__FORGET_AFTER", "86400")], None),
        (&[("GRANTOR_REGISTRATION__FORGET_AFTER", "0")], None),
        (&[("GRANTOR_REGISTRATION__FORGET_AFTER", "3600")], Some("3600 is less than a day")),
    ];
    for (variables, expected) in cases {
        match (Config::load(&environment(variables)), expected) {
            (Ok(_), None) => {}
            (Err(errors), Some(expected)) => {
                let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
                assert!(texts.len() == 1 && texts[0].contains(expected), "{texts:?}");
                assert!(texts[0].contains(variables[0].0), "{texts:?}");
            }
            (outcome, expected) => panic!("{variables:?}: {outcome:?}, not {expected:?}"),
        }
    }
}

#[test]
fn a_resource_is_declared_once_in_any_spelling() {
    let entry = |uri: &str| json!({"uri": uri, "name": "R", "secret_sha256": "0".repeat(64)});
    let declared = |uris: &[&str]| {
        let entries: Vec<_> = uris.iter().map(|uri| entry(uri)).collect();
        environment(&[("GRANTOR_RESOURCES__DECLARED", &json!(entries).to_string())])
    };

    let text = refused(&declared(&["https://mcp.example/mcp/", "https://MCP.example/mcp"])).join("\n");
    assert!(text.contains("a resource is listed twice, possibly in two spellings"), "{text}");
    assert!(Config::load(&declared(&["https://mcp.example/a", "https://mcp.example/b"])).is_ok());
}

#[test]
fn required_scopes_must_be_known_and_a_client_is_listed_once() {
    let id = Uuid::nil();
    let entry = |scopes: &[&str]| json!({"client_id": id, "permission_scopes": scopes});
    let errors = |required: serde_json::Value| {
        refused(&environment(&[("GRANTOR_RESTRICTION__REQUIRED", &required.to_string())])).join("\n")
    };

    let unknown = errors(json!([entry(&["openid", "mcp_reed", "mcp_read"])]));
    assert!(unknown.contains("not a permission scope of the catalog: mcp_reed, openid;"), "{unknown}");
    assert!(errors(json!([entry(&[]), entry(&["mcp_read"])])).contains("a client_id is listed twice"));
    assert!(errors(json!([{"client_id": "x", "permission_scopes": []}])).contains("UUID parsing failed"));
    assert!(errors(json!([{"client_id": id, "permission_scopes": ["two words"]}])).contains("printable ASCII"));
    let unknown = errors(json!([{"client_id": id, "permission_scopes": [], "scopes": []}]));
    assert!(unknown.contains("unknown field `scopes`"), "{unknown}");

    let cut_off = refused(&environment(&[("GRANTOR_RESTRICTION__REQUIRED", "[{")])).join("\n");
    assert!(cut_off.contains("is not a list in JSON"), "{cut_off}");
}

#[test]
fn a_secret_is_read_from_its_file_and_cannot_be_given_twice_in_one_layer() {
    let key = "GRANTOR_SECRETS__KEY";
    let key_file = "GRANTOR_SECRETS__KEY_FILE";
    let from_file = load(&environment(&[(key_file, "/run/secrets/grantor_key")])).secrets.key;
    assert_eq!(from_file.as_ref().map(|ring| ring.newest().id()), Some("2026"));

    let twice = environment(&[(key, KEY), (key_file, "/run/secrets/grantor_key")]);
    assert_eq!(
        refused(&twice),
        [
            "secrets.key: environment variable GRANTOR_SECRETS__KEY and environment variable GRANTOR_SECRETS__KEY_FILE are \
          both given; keep one of them"
        ]
    );

    let missing = refused(&environment(&[(key_file, "/nowhere")]));
    assert_eq!(
        missing,
        ["environment variable GRANTOR_SECRETS__KEY_FILE: the file /nowhere cannot be read: entity not found"]
    );
}

#[test]
fn no_error_shows_a_secret() {
    for sources in [
        environment(&[("GRANTOR_SECRETS__KEY", "hunter2")]),
        environment(&[("GRANTOR_SECRETS__KEY", "hunter2:hunter2hunter2hunter2hunter2hunter2hunter2h")]),
        environment(&[("GRANTOR_SECRETS__KEY", &format!("{KEY} hunter2"))]),
        environment(&[("GRANTOR_DATABASE__URL", "postgres://grantor:hunter2/db")]),
        environment(&[("DATABASE_URL", "mysql://grantor:hunter2@db/db")]),
        file("[secrets]\nkey = [\"hunter2\"]"),
        file("[database]\nurl = { hunter2 = 1 }"),
        file("[secrets]\nkey_file = [\"hunter2\"]"),
        file("[secrets]\nkey = hunter2"),
    ] {
        let errors = refused(&sources);
        assert!(errors.len() == 1 && !errors[0].contains("hunter2"), "{errors:?}");
    }
}

#[test]
fn a_file_that_is_not_toml_and_an_invalid_catalog_are_reported() {
    let errors = refused(&file("[http]\nlisten = \nmax_in_flight = 1"));
    let expected = "the file /etc/grantor.toml is not TOML: line 2: ";
    assert!(errors.len() == 1 && errors[0].starts_with(expected), "{errors:?}");

    let errors = refused(&environment(&[("GRANTOR_SCOPES__CATALOG", "/etc/broken.toml"), ("GRANTOR_X", "")]));
    assert_eq!(errors.len(), 3);
    assert!(errors[1].starts_with("the scope catalog /etc/broken.toml: permission.email: "), "{errors:?}");

    let errors = refused(&environment(&[("GRANTOR_SCOPES__CATALOG", "/nowhere")]));
    let expected = "environment variable GRANTOR_SCOPES__CATALOG: the file /nowhere";
    assert!(errors[0].starts_with(expected), "{errors:?}");
}

#[test]
fn both_shipped_files_are_valid() {
    let example = load(&file(EXAMPLE));
    assert_eq!(example.http.public_url, "https://auth.example.com");
    assert_eq!(example.database.url.to_string(), "postgres://***@db/grantor");
    assert!(example.secrets.key.is_some());

    assert_eq!(load(&file(DEFAULT_TOML)), load(&nothing()));
}

#[test]
fn settings_in_effect_are_printed_with_their_source_and_without_secrets() {
    let sources = environment(&[
        ("DATABASE_URL", "postgres://grantor:hunter2@db/grantor"),
        ("GRANTOR_SECRETS__KEY_FILE", "/run/secrets/grantor_key"),
        ("GRANTOR_HTTP__LISTEN", "127.0.0.1:9000"),
    ]);
    let effective = Config::load(&sources).expect("settings").effective;
    let (text, json) = (effective.to_string(), effective.to_json());

    for line in [
        "http.listen = \"127.0.0.1:9000\" # environment variable GRANTOR_HTTP__LISTEN",
        "http.public_url = \"http://127.0.0.1:9000\" # default",
        "http.max_in_flight = 512 # default",
        "database.url = \"postgres://***@db/grantor\" # environment variable DATABASE_URL",
        "secrets.key = \"***\" # environment variable GRANTOR_SECRETS__KEY_FILE",
    ] {
        assert!(text.lines().any(|printed| printed == line), "{line}\n{text}");
    }
    assert_eq!(json["http.max_in_flight"], json!({"value": 512, "source": "default"}));
    assert_eq!(json["secrets.key"]["value"], "***");
    assert_eq!(text.lines().count(), sections::all_settings().count());
    assert!(text.parse::<toml::Table>().is_ok());
    assert!(!format!("{text}{json}{effective:?}").contains("hunter2"));
}

#[test]
fn an_unset_secret_is_printed_as_empty_and_debug_output_hides_secrets() {
    let loaded = Config::load(&nothing()).expect("settings");
    assert!(loaded.effective.to_string().contains("secrets.key = \"\" # default"));

    let sources = environment(&[("GRANTOR_SECRETS__KEY", "hunter2hunter2hunter2hunter2hunter2")]);
    assert!(!format!("{:?}", Config::load(&sources).expect("settings")).contains("hunter2"));
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
