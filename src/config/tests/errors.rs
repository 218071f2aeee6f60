//! The errors, with their source and the allowed values.

use serde_json::json;
use uuid::Uuid;

use super::*;

#[test]
fn the_old_name_of_a_setting_is_refused_with_its_new_one() {
    let expected =
        ["scopes.catalogue in the file /etc/grantor.toml was renamed; use scopes.catalog"];
    assert_eq!(refused(&file("scopes.catalogue = \"\"")), expected);
    let expected =
        ["environment variable GRANTOR_SCOPES__CATALOGUE was renamed; use GRANTOR_SCOPES__CATALOG"];
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
        (
            &[
                ("GRANTOR_HTTP__LISTEN", "[::]:8080"),
                ("GRANTOR_HTTP__PUBLIC_URL", "https://auth.example.com"),
            ],
            None,
        ),
        (&[("GRANTOR_HTTP__LISTEN", "127.0.0.1:8081")], Some(same_place)),
        (
            &[
                ("GRANTOR_HTTP__LISTEN", "0.0.0.0:8081"),
                ("GRANTOR_HTTP__PUBLIC_URL", "http://a.example"),
            ],
            Some(same_place),
        ),
        (&[("GRANTOR_HTTP__LISTEN", "127.0.0.2:8081")], None),
        (
            &[
                ("GRANTOR_HTTP__LISTEN", "127.0.0.1:0"),
                ("GRANTOR_HTTP__MANAGEMENT_LISTEN", "127.0.0.1:0"),
            ],
            None,
        ),
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

    let text =
        refused(&declared(&["https://mcp.example/mcp/", "https://MCP.example/mcp"])).join("\n");
    assert!(text.contains("a resource is listed twice, possibly in two spellings"), "{text}");
    assert!(Config::load(&declared(&["https://mcp.example/a", "https://mcp.example/b"])).is_ok());
}

#[test]
fn required_scopes_must_be_known_and_a_client_is_listed_once() {
    let id = Uuid::nil();
    let entry = |scopes: &[&str]| json!({"client_id": id, "permission_scopes": scopes});
    let errors = |required: serde_json::Value| {
        refused(&environment(&[("GRANTOR_RESTRICTION__REQUIRED", &required.to_string())]))
            .join("\n")
    };

    let unknown = errors(json!([entry(&["openid", "mcp_reed", "mcp_read"])]));
    assert!(
        unknown.contains("not a permission scope of the catalog: mcp_reed, openid;"),
        "{unknown}"
    );
    assert!(
        errors(json!([entry(&[]), entry(&["mcp_read"])])).contains("a client_id is listed twice")
    );
    assert!(
        errors(json!([{"client_id": "x", "permission_scopes": []}]))
            .contains("UUID parsing failed")
    );
    assert!(
        errors(json!([{"client_id": id, "permission_scopes": ["two words"]}]))
            .contains("printable ASCII")
    );
    let unknown = errors(json!([{"client_id": id, "permission_scopes": [], "scopes": []}]));
    assert!(unknown.contains("unknown field `scopes`"), "{unknown}");

    let cut_off = refused(&environment(&[("GRANTOR_RESTRICTION__REQUIRED", "[{")])).join("\n");
    assert!(cut_off.contains("is not a list in JSON"), "{cut_off}");
}

#[test]
fn a_file_that_is_not_toml_and_an_invalid_catalog_are_reported() {
    let errors = refused(&file("[http]\nlisten = \nmax_in_flight = 1"));
    let expected = "the file /etc/grantor.toml is not TOML: line 2: ";
    assert!(errors.len() == 1 && errors[0].starts_with(expected), "{errors:?}");

    let errors = refused(&environment(&[
        ("GRANTOR_SCOPES__CATALOG", "/etc/broken.toml"),
        ("GRANTOR_X", ""),
    ]));
    assert_eq!(errors.len(), 3);
    assert!(
        errors[1].starts_with("the scope catalog /etc/broken.toml: permission.email: "),
        "{errors:?}"
    );

    let errors = refused(&environment(&[("GRANTOR_SCOPES__CATALOG", "/nowhere")]));
    let expected = "environment variable GRANTOR_SCOPES__CATALOG: the file /nowhere";
    assert!(errors[0].starts_with(expected), "{errors:?}");
}
