//! Rules about combinations of settings that are each valid alone.

use std::net::SocketAddr;

use crate::config::error::ConfigError;
use crate::config::layers::GivenSettings;
use crate::config::sections;
use crate::config::sections::Config;
use crate::config::source::Source;
use crate::rules::scope::catalog::{ScopeCatalog, ScopeKind};

struct Rule {
    settings: &'static [&'static str],
    broken: fn(&Config) -> bool,
    wrong: &'static str,
}

const RULES: [Rule; 6] = [
    Rule {
        settings: &["http.public_url", "http.listen"],
        broken: |config| {
            config.http.public_url.is_empty() && config.http.listen.ip().is_unspecified()
        },
        wrong: "clients cannot connect to an unspecified address: set http.public_url to the URL that they use",
    },
    Rule {
        settings: &["http.management_listen", "http.listen"],
        broken: |config| {
            let listen = config.http.listen;
            config.http.management_listen.is_some_and(|management| conflict(management, listen))
        },
        wrong: "http.listen and http.management_listen use the same address and port",
    },
    Rule {
        settings: &["bootstrap.automatic", "http.public_url"],
        broken: |config| config.bootstrap.automatic && !is_on_this_machine(config),
        wrong: "an organization is created automatically only for a trial on this machine, but \
                http.public_url is on another host: set bootstrap.automatic to false and run \
                `grantor bootstrap` once",
    },
    Rule {
        settings: &["database.url", "http.public_url"],
        broken: |config| config.database.url.has_trial_password() && !is_on_this_machine(config),
        wrong: "the database has the trial password of docker-compose.yml, but http.public_url is \
                on another host: choose a password of your own, POSTGRES_PASSWORD in .env",
    },
    Rule {
        settings: &["restriction.required"],
        broken: |config| {
            let required = &config.restriction.required;
            (1..required.len()).any(|i| {
                required[..i].iter().any(|earlier| earlier.client_id == required[i].client_id)
            })
        },
        wrong: "a client_id is listed twice",
    },
    Rule {
        settings: &["resources.declared"],
        broken: |config| {
            let declared = &config.resources.declared;
            (1..declared.len())
                .any(|i| declared[..i].iter().any(|earlier| earlier.uri == declared[i].uri))
        },
        wrong: "a resource is listed twice, possibly in two spellings",
    },
];

/// An empty public URL defaults to the listen address.
fn is_on_this_machine(config: &Config) -> bool {
    match config.http.public_url.as_str() {
        "" => config.http.listen.ip().is_loopback(),
        _ => config.http.is_on_this_machine(),
    }
}

/// Whether two listeners need the same address and port. Port 0 means any free port.
fn conflict(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (everywhere || one.ip() == other.ip())
}

/// Skips rules about settings that are invalid already, because their errors would only follow from
/// that.
pub fn check(config: &Config, given: &GivenSettings, errors: &mut Vec<ConfigError>) {
    let invalid: Vec<_> = errors.iter().filter_map(ConfigError::setting).collect();
    for rule in &RULES {
        let applies = !rule.settings.iter().any(|name| invalid.contains(name));
        if applies && (rule.broken)(config) {
            errors.extend(blame(rule.settings, given, rule.wrong.to_owned()));
        }
    }
}

/// Required scopes must be permission scopes of the catalog.
pub fn check_required(
    config: &Config,
    catalog: &ScopeCatalog,
    given: &GivenSettings,
    errors: &mut Vec<ConfigError>,
) {
    let is_permission =
        |name| catalog.find(name).is_some_and(|scope| scope.kind == ScopeKind::Permission);
    let names =
        config.restriction.required.iter().flat_map(|required| required.permission_scopes.names());
    let unknown: Vec<_> = names.filter(|name| !is_permission(name)).collect();
    if !unknown.is_empty() {
        let wrong = format!("not a permission scope of the catalog: {}", unknown.join(", "));
        errors.extend(blame(&["restriction.required"], given, wrong));
    }
}

/// Reports the error for the first setting that was given, not for one that has its default.
fn blame(names: &[&str], given: &GivenSettings, wrong: String) -> Option<ConfigError> {
    let name = names.iter().find(|name| given.contains_key(**name)).or(names.first())?;
    let setting = sections::find_setting(name)?;
    let from = given.get(name).map_or(Source::Default, |given| given.source.clone());
    Some(ConfigError::Value { setting: setting.name, from, wrong, allowed: setting.allowed })
}
