//! Secrets are read from files, and hidden in errors and in printed settings.

use serde_json::json;

use super::*;

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
        [
            "environment variable GRANTOR_SECRETS__KEY_FILE: the file /nowhere cannot be read: entity not found"
        ]
    );
}

#[test]
fn no_error_shows_a_secret() {
    for sources in [
        environment(&[("GRANTOR_SECRETS__KEY", "hunter2")]),
        environment(&[(
            "GRANTOR_SECRETS__KEY",
            "hunter2:hunter2hunter2hunter2hunter2hunter2hunter2h",
        )]),
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
