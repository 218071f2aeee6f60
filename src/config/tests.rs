//! Settings from end to end: what is given in which layer, what comes out, and what an operator is told.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::rules::scope::offered::Excess;

/// With id `2026`.
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

/// Each error on its own, in the words an operator reads.
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
fn a_later_layer_goes_before_an_earlier_one() {
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
        let told = loaded.effective.iter().find(|setting| setting.name == "log.level").map(|it| it.source.to_string());

        assert_eq!((loaded.config.log.level.as_str(), told.as_deref()), (level, Some(source)));
    }
}

#[test]
fn the_usual_variable_for_a_database_stands_between_the_file_and_our_own() {
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
fn text_becomes_what_the_setting_is() {
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
fn a_catalog_of_ones_own_takes_the_place_of_the_shipped_one() {
    let loaded = Config::load(&environment(&[("GRANTOR_SCOPES__CATALOG", "/etc/scopes.toml")])).expect("settings");

    assert_eq!(loaded.catalog.iter().map(|scope| scope.name.as_str()).collect::<Vec<_>>(), ["read_all"]);
    assert_eq!(Config::load(&nothing()).expect("settings").catalog.iter().len(), 122);
}

#[test]
fn the_minimal_catalog_is_one_setting_away_and_read_from_no_file() {
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
fn everything_that_is_wrong_is_told_at_once_with_its_place_and_what_is_allowed() {
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
        "htpp.listen in the file /etc/grantor.toml is no setting; did you mean http.listen?",
        "limits.connections, from limits.connections in the file /etc/grantor.toml: is text in quotation marks, \
         not a whole number; allowed: a whole number; 0 is no limit",
        "environment variable GRANTOR_LISTEN is no setting; did you mean GRANTOR_HTTP__LISTEN?",
        "tokens.code_ttl, from environment variable GRANTOR_TOKENS__CODE_TTL: \"soon\" is no whole number; \
         allowed: whole seconds from 1 to 600",
        "flag --set log.color is no setting",
        "http.listen, from environment variable GRANTOR_HTTP__LISTEN: invalid socket address syntax; \
         allowed: an address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"",
        "http.max_in_flight, from http.max_in_flight in the file /etc/grantor.toml: 0 is not at least 1; \
         allowed: a whole number from 1 on",
        "http.public_url, from http.public_url in the file /etc/grantor.toml: \"https://auth.example.com/\" is not an \
         origin; allowed: http:// or https://, a host and perhaps a port, without a path and without a slash at the end",
        "log.format, from flag --set log.format: unknown variant `xml`, expected one of `auto`, `text`, `json`; \
         allowed: \"auto\", \"text\" or \"json\"",
    ];
    assert_eq!(refused(&sources), expected);
}

#[test]
fn settings_have_to_fit_together() {
    let unspecified = "no client can reach an unspecified address, so http.public_url has to say what they reach";
    let cases: [(Variables, Option<&str>); 10] = [
        (&[("GRANTOR_HTTP__LISTEN", "0.0.0.0:8080")], Some(unspecified)),
        (&[("GRANTOR_HTTP__LISTEN", "[::]:8080")], Some(unspecified)),
        (&[("GRANTOR_HTTP__LISTEN", "[::]:8080"), ("GRANTOR_HTTP__PUBLIC_URL", "https://auth.example.com")], None),
        (
            &[("GRANTOR_HTTP__LISTEN", "127.0.0.1:8081")],
            Some("http.listen and http.management_listen are the same place"),
        ),
        (
            &[("GRANTOR_HTTP__LISTEN", "0.0.0.0:8081"), ("GRANTOR_HTTP__PUBLIC_URL", "http://a.example")],
            Some("http.listen and http.management_listen are the same place"),
        ),
        (&[("GRANTOR_HTTP__LISTEN", "127.0.0.2:8081")], None),
        (&[("GRANTOR_HTTP__LISTEN", "127.0.0.1:0"), ("GRANTOR_HTTP__MANAGEMENT_LISTEN", "127.0.0.1:0")], None),
        // Clients that are forgotten before they count as asleep come back with the same id.
        (&[("GRANTOR_REGISTRATION__FORGET_AFTER", "86400")], None),
        (&[("GRANTOR_REGISTRATION__FORGET_AFTER", "0")], None),
        (&[("GRANTOR_REGISTRATION__FORGET_AFTER", "3600")], Some("3600 is less than a day")),
    ];
    for (variables, expected) in cases {
        match (Config::load(&environment(variables)), expected) {
            (Ok(_), None) => {}
            (Err(errors), Some(expected)) => {
                let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
                assert!(told.len() == 1 && told[0].contains(expected), "{told:?}");
                assert!(told[0].contains(variables[0].0), "{told:?}");
            }
            (outcome, expected) => panic!("{variables:?}: {outcome:?}, not {expected:?}"),
        }
    }
}

#[test]
fn a_resource_is_declared_once_however_it_is_spelt() {
    let entry = |uri: &str| json!({"uri": uri, "name": "R", "secret_sha256": "0".repeat(64)});
    let declared = |uris: &[&str]| {
        let entries: Vec<_> = uris.iter().map(|uri| entry(uri)).collect();
        environment(&[("GRANTOR_RESOURCES__DECLARED", &json!(entries).to_string())])
    };

    let told = refused(&declared(&["https://mcp.example/mcp/", "https://MCP.example/mcp"])).join("\n");
    assert!(told.contains("a resource stands twice, perhaps in two spellings"), "{told}");
    assert!(Config::load(&declared(&["https://mcp.example/a", "https://mcp.example/b"])).is_ok());
}

#[test]
fn required_scopes_have_to_be_known_and_a_client_stands_once() {
    let id = Uuid::nil();
    let entry = |scopes: &[&str]| json!({"client_id": id, "permission_scopes": scopes});
    let told = |required: serde_json::Value| {
        refused(&environment(&[("GRANTOR_RESTRICTION__REQUIRED", &required.to_string())])).join("\n")
    };

    assert!(told(json!([entry(&["openid", "mcp_reed", "mcp_read"])])).contains(": mcp_reed, openid is no permission"));
    assert!(told(json!([entry(&[]), entry(&["mcp_read"])])).contains("a client_id stands twice"));
    assert!(told(json!([{"client_id": "x", "permission_scopes": []}])).contains("UUID parsing failed"));
    assert!(told(json!([{"client_id": id, "permission_scopes": ["two words"]}])).contains("printable ASCII"));
    assert!(told(json!([{"client_id": id, "permission_scopes": [], "scopes": []}])).contains("unknown field `scopes`"));

    let cut_off = refused(&environment(&[("GRANTOR_RESTRICTION__REQUIRED", "[{")])).join("\n");
    assert!(cut_off.contains("is not a list in JSON"), "{cut_off}");
}

#[test]
fn a_secret_is_read_from_its_file_and_never_given_twice_in_one_place() {
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
        let told = refused(&sources);
        assert!(told.len() == 1 && !told[0].contains("hunter2"), "{told:?}");
    }
}

#[test]
fn a_file_that_is_no_toml_and_a_catalog_with_mistakes_are_told() {
    let told = refused(&file("[http]\nlisten = \nmax_in_flight = 1"));
    assert!(told.len() == 1 && told[0].starts_with("the file /etc/grantor.toml is not TOML: line 2: "), "{told:?}");

    let told = refused(&environment(&[("GRANTOR_SCOPES__CATALOG", "/etc/broken.toml"), ("GRANTOR_X", "")]));
    assert_eq!(told.len(), 3);
    assert!(told[1].starts_with("the scope catalog /etc/broken.toml: permission.email: "), "{told:?}");

    let told = refused(&environment(&[("GRANTOR_SCOPES__CATALOG", "/nowhere")]));
    assert!(told[0].starts_with("environment variable GRANTOR_SCOPES__CATALOG: the file /nowhere"), "{told:?}");
}

#[test]
fn both_shipped_files_can_be_used_as_they_are() {
    let example = load(&file(EXAMPLE));
    assert_eq!(example.http.public_url, "https://auth.example.com");
    assert_eq!(example.database.url.to_string(), "postgres://***@db/grantor");
    assert!(example.secrets.key.is_some());

    assert_eq!(load(&file(DEFAULT_TOML)), load(&nothing()));
}

#[test]
fn what_is_in_effect_is_printed_with_its_source_and_without_secrets() {
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
fn an_unset_secret_is_printed_as_empty_and_settings_do_not_print_theirs() {
    let loaded = Config::load(&nothing()).expect("settings");
    assert!(loaded.effective.to_string().contains("secrets.key = \"\" # default"));

    let sources = environment(&[("GRANTOR_SECRETS__KEY", "hunter2hunter2hunter2hunter2hunter2")]);
    assert!(!format!("{:?}", Config::load(&sources).expect("settings")).contains("hunter2"));
}

#[test]
fn what_kubernetes_sets_for_a_service_of_our_name_is_not_ours() {
    let config = load(&environment(&[
        ("GRANTOR_PORT", "tcp://10.0.0.7:8080"),
        ("GRANTOR_PORT_8080_TCP_ADDR", "10.0.0.7"),
        ("GRANTOR_SERVICE_HOST", "10.0.0.7"),
    ]));

    assert_eq!(config, load(&nothing()));
}
