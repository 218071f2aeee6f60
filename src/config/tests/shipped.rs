//! The shipped files, and the settings without any file.

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::rules::scope::offered::Excess;

const CONTAINER: &str = include_str!("../../../config/container.toml");

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
    assert_eq!(
        config.registration.tolerate,
        [
            "client_secret_basic",
            "client_secret_post",
            "urn:ietf:params:oauth:grant-type:device_code"
        ]
    );
    assert_eq!(
        (config.restriction.on_excess, config.restriction.on_narrow),
        (Excess::Narrow, OnNarrow::Revoke)
    );
    assert_eq!(config.sites.hosts.len(), 8);
    assert_eq!(config.secrets, Secrets { key_max_age: 31_536_000, key: None });
}

#[test]
fn only_the_untouched_database_is_the_default_one() {
    assert!(load(&nothing()).database.is_default_file());
    for url in ["sqlite:other.db", "sqlite:/data/grantor.db", "postgres://db/grantor"] {
        assert!(
            !load(&environment(&[("GRANTOR_DATABASE__URL", url)])).database.is_default_file(),
            "{url}"
        );
    }
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
fn the_file_of_the_container_image_sets_only_the_addresses_and_the_database() {
    let mut expected = load(&nothing());
    expected.http.listen = address("0.0.0.0:8080");
    expected.http.public_url = "http://localhost:8080".to_owned();
    expected.database.url = DatabaseUrl::Sqlite("/data/grantor.db".into());

    assert_eq!(load(&file(CONTAINER)), expected);
}
