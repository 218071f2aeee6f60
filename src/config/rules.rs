//! What settings must be together, when each by itself is right.

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
        broken: |config| config.http.public_url.is_empty() && config.http.listen.ip().is_unspecified(),
        wrong: "no client can reach an unspecified address, so http.public_url has to say what they reach",
    },
    Rule {
        settings: &["http.management_listen", "http.listen"],
        broken: |config| {
            let listen = config.http.listen;
            config.http.management_listen.is_some_and(|management| meet(management, listen))
        },
        wrong: "http.listen and http.management_listen are the same place",
    },
    Rule {
        settings: &["bootstrap.automatic", "http.public_url"],
        broken: |config| config.bootstrap.automatic && !is_on_this_machine(config),
        wrong: "an organization is created automatically only for a trial on this machine, but http.public_url is another \
                host: set bootstrap.automatic to false and run `grantor bootstrap` once",
    },
    Rule {
        settings: &["database.url", "http.public_url"],
        broken: |config| config.database.url.has_trial_password() && !is_on_this_machine(config),
        wrong: "the password of the database is the one of the trial in docker-compose.yml, but http.public_url is another \
                host: choose a password of your own, POSTGRES_PASSWORD in .env",
    },
    Rule {
        settings: &["restriction.required"],
        broken: |config| {
            let required = &config.restriction.required;
            (1..required.len()).any(|i| required[..i].iter().any(|earlier| earlier.client_id == required[i].client_id))
        },
        wrong: "a client_id stands twice",
    },
    Rule {
        settings: &["resources.declared"],
        broken: |config| {
            let declared = &config.resources.declared;
            (1..declared.len()).any(|i| declared[..i].iter().any(|earlier| earlier.uri == declared[i].uri))
        },
        wrong: "a resource stands twice, perhaps in two spellings",
    },
];

/// An empty public URL is the address it listens on.
fn is_on_this_machine(config: &Config) -> bool {
    match config.http.public_url.as_str() {
        "" => config.http.listen.ip().is_loopback(),
        _ => config.http.is_on_this_machine(),
    }
}

/// Whether one of two listeners would find the place taken. Port 0 is any that is free.
fn meet(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (everywhere || one.ip() == other.ip())
}

/// Leaves out rules about settings that are wrong already: what they would say follows from that.
pub fn check(config: &Config, given: &GivenSettings, errors: &mut Vec<ConfigError>) {
    let wrong_already: Vec<_> = errors.iter().filter_map(ConfigError::setting).collect();
    for rule in &RULES {
        let applies = !rule.settings.iter().any(|name| wrong_already.contains(name));
        if applies && (rule.broken)(config) {
            errors.extend(blame(rule.settings, given, rule.wrong.to_owned()));
        }
    }
}

/// Required scopes have to be scopes that a permission stands behind.
pub fn check_required(config: &Config, catalog: &ScopeCatalog, given: &GivenSettings, errors: &mut Vec<ConfigError>) {
    let is_permission = |name| catalog.find(name).is_some_and(|scope| scope.kind == ScopeKind::Permission);
    let names = config.restriction.required.iter().flat_map(|required| required.permission_scopes.names());
    let unknown: Vec<_> = names.filter(|name| !is_permission(name)).collect();
    if !unknown.is_empty() {
        let wrong = format!("{} is no permission scope of the catalog", unknown.join(", "));
        errors.extend(blame(&["restriction.required"], given, wrong));
    }
}

/// Blames the first of the settings that somebody gave: a default is not where one would look.
fn blame(names: &[&str], given: &GivenSettings, wrong: String) -> Option<ConfigError> {
    let name = names.iter().find(|name| given.contains_key(**name)).or(names.first())?;
    let setting = sections::find_setting(name)?;
    let from = given.get(name).map_or(Source::Default, |given| given.source.clone());
    Some(ConfigError::Value { setting: setting.name, from, wrong, allowed: setting.allowed })
}
