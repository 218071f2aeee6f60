//! The scope catalog: which scopes exist, and the text that a person reads about each (RFC 6749
//! section 3.3).
//!
//! The catalog is read once, from the TOML that ships with the server or from the operator's own
//! file. Reading collects all mistakes instead of stopping at the first, so that the operator can
//! correct them together.

use std::collections::BTreeMap;
use std::fmt;

use crate::scope::{ScopeError, ScopeSet, ScopeToken};

/// The catalog that ships with the server.
pub const SHIPPED: &str = include_str!("../../../config/scopes.toml");
/// The minimal catalog: the OpenID scopes, two scopes for MCP servers, and the scopes of this
/// server's own API.
pub const MINIMAL: &str = include_str!("../../../config/scopes-minimal.toml");

/// The scopes defined by OpenID Connect Core 1.0 that this server supports.
const OIDC_NAMES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// In characters, because a consent page shows each description on one line.
const MAX_DESCRIPTION: usize = 80;

/// The heading for scopes without a `group`.
pub const OTHER_GROUP: &str = "Other";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeKind {
    /// Gives access to data about the user (OpenID Connect Core 1.0 sections 5.4 and 11).
    Oidc,
    /// Lets an app use one of the user's permissions.
    Permission,
}

impl ScopeKind {
    const fn table(self) -> &'static str {
        match self {
            Self::Oidc => "oidc",
            Self::Permission => "permission",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    pub name: ScopeToken,
    pub description: String,
    /// The heading above this scope on the consent page.
    pub group: String,
    pub kind: ScopeKind,
    /// Whether an app with this scope can create, change or delete something, not only read.
    pub changes: bool,
    /// Private scopes are available only to approved confidential clients.
    pub private: bool,
    /// Advertised scopes are listed in `scopes_supported`.
    pub advertised: bool,
    /// Default scopes are requested if neither the request nor the registration names a scope.
    pub default: bool,
}

/// All scopes, in alphabetical order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeCatalog {
    scopes: BTreeMap<ScopeToken, Scope>,
    advertised: ScopeSet,
    defaults: ScopeSet,
}

impl ScopeCatalog {
    pub fn from_toml(text: &str) -> Result<Self, CatalogError> {
        let tables: toml::Table =
            text.parse().map_err(|error| CatalogError(vec![CatalogMistake::NotToml(error)]))?;
        let mut reader = Reader::default();
        reader.read(tables);
        if !reader.mistakes.is_empty() {
            return Err(CatalogError(reader.mistakes));
        }
        let matching = |rule: fn(&Scope) -> bool| {
            reader
                .scopes
                .values()
                .filter(|scope| rule(scope))
                .map(|scope| scope.name.clone())
                .collect()
        };
        Ok(Self {
            advertised: matching(|scope| scope.advertised),
            defaults: matching(|scope| scope.default),
            scopes: reader.scopes,
        })
    }

    pub fn find(&self, name: &str) -> Option<&Scope> {
        self.scopes.get(name)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Scope> {
        self.scopes.values()
    }

    /// `scopes_supported` of RFC 8414 section 2.
    pub const fn advertised(&self) -> &ScopeSet {
        &self.advertised
    }

    /// The scopes to request if neither the request nor the registration names a scope.
    pub const fn defaults(&self) -> &ScopeSet {
        &self.defaults
    }
}

#[derive(Default)]
struct Reader {
    /// Headings, by the names that entries refer to them by.
    groups: BTreeMap<String, String>,
    scopes: BTreeMap<ScopeToken, Scope>,
    mistakes: Vec<CatalogMistake>,
}

impl Reader {
    fn read(&mut self, mut tables: toml::Table) {
        // Groups come first: the entries of the other tables refer to them.
        match tables.remove("groups") {
            Some(toml::Value::Table(entries)) => self.read_groups(entries),
            Some(_) => {
                self.mistakes.push(CatalogMistake::UnknownTable { name: "groups".to_owned() })
            }
            None => {}
        }
        for (name, value) in tables {
            match (name.as_str(), value) {
                ("oidc", toml::Value::Table(entries)) => self.read_kind(ScopeKind::Oidc, entries),
                ("permission", toml::Value::Table(entries)) => {
                    self.read_kind(ScopeKind::Permission, entries)
                }
                _ => self.mistakes.push(CatalogMistake::UnknownTable { name }),
            }
        }
    }

    fn read_groups(&mut self, entries: toml::Table) {
        for (name, value) in entries {
            let path = format!("groups.{name}");
            match value {
                toml::Value::String(title) if is_one_line(&title) => {
                    _ = self.groups.insert(name, title)
                }
                toml::Value::String(_) => self.mistakes.push(CatalogMistake::Title { path }),
                _ => self.mistakes.push(CatalogMistake::Type { path, expected: "a string" }),
            }
        }
    }

    fn read_kind(&mut self, kind: ScopeKind, entries: toml::Table) {
        for (raw_name, value) in entries {
            let path = format!("{}.{raw_name}", kind.table());
            let name = ScopeToken::parse(&raw_name);
            if let Err(reason) = name {
                self.mistakes.push(CatalogMistake::Name { path: path.clone(), reason });
            }
            if OIDC_NAMES.contains(&raw_name.as_str()) != (kind == ScopeKind::Oidc) {
                self.mistakes.push(CatalogMistake::Kind { path: path.clone() });
            }
            let entry = self.read_entry(&path, value);
            if let Ok(name) = name {
                self.scopes.insert(name.clone(), entry.into_scope(name, kind));
            }
        }
    }

    fn read_entry(&mut self, path: &str, value: toml::Value) -> Entry {
        let mut entry = Entry::default();
        let toml::Value::Table(members) = value else {
            self.mistakes.push(CatalogMistake::NotATable { path: path.to_owned() });
            return entry;
        };
        for (key, value) in members {
            let path = format!("{path}.{key}");
            match (key.as_str(), value) {
                ("description", toml::Value::String(text)) => entry.description = text,
                ("group", toml::Value::String(name)) => entry.group = self.find_group(path, &name),
                ("changes", toml::Value::String(text)) if text == "see" => {
                    entry.changes = Some(false)
                }
                ("changes", toml::Value::String(text)) if text == "change" => {
                    entry.changes = Some(true)
                }
                ("changes", _) => self
                    .mistakes
                    .push(CatalogMistake::Type { path, expected: "\"see\" or \"change\"" }),
                ("private", toml::Value::Boolean(flag)) => entry.private = flag,
                ("advertised", toml::Value::Boolean(flag)) => entry.advertised = flag,
                ("default", toml::Value::Boolean(flag)) => entry.default = flag,
                ("description" | "group", _) => {
                    self.mistakes.push(CatalogMistake::Type { path, expected: "a string" })
                }
                ("private" | "advertised" | "default", _) => {
                    self.mistakes.push(CatalogMistake::Type { path, expected: "true or false" });
                }
                _ => self.mistakes.push(CatalogMistake::UnknownKey { path }),
            }
        }
        self.mistakes.extend(entry.mistakes(path));
        entry
    }

    fn find_group(&mut self, path: String, name: &str) -> Option<String> {
        let title = self.groups.get(name).cloned();
        if title.is_none() {
            self.mistakes.push(CatalogMistake::Group { path });
        }
        title
    }
}

fn is_one_line(text: &str) -> bool {
    let length = text.trim().chars().count();
    (1..=MAX_DESCRIPTION).contains(&length) && !text.chars().any(char::is_control)
}

#[derive(Default)]
struct Entry {
    description: String,
    group: Option<String>,
    changes: Option<bool>,
    private: bool,
    advertised: bool,
    default: bool,
}

impl Entry {
    fn mistakes(&self, path: &str) -> impl Iterator<Item = CatalogMistake> {
        let path = path.to_owned();
        let private_but_offered = self.private && (self.advertised || self.default);
        let description = (!is_one_line(&self.description))
            .then(|| CatalogMistake::Description { path: path.clone() });
        description
            .into_iter()
            .chain(private_but_offered.then_some(CatalogMistake::PrivateButOffered { path }))
    }

    fn into_scope(self, name: ScopeToken, kind: ScopeKind) -> Scope {
        let Self { description, group, changes, private, advertised, default } = self;
        let group = group.unwrap_or_else(|| OTHER_GROUP.to_owned());
        let changes = changes.unwrap_or_else(|| !only_reads(name.as_str(), kind));
        Scope { name, description, group, kind, changes, private, advertised, default }
    }
}

/// The fallback for a catalog entry without `changes`. OpenID scopes only describe the user.
fn only_reads(name: &str, kind: ScopeKind) -> bool {
    kind == ScopeKind::Oidc || name.ends_with("_read") || name.ends_with(":read")
}

/// All mistakes in a catalog, displayed one per line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogError(Vec<CatalogMistake>);

impl CatalogError {
    pub fn mistakes(&self) -> &[CatalogMistake] {
        &self.0
    }
}

impl std::error::Error for CatalogError {}

impl fmt::Display for CatalogError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        formatter.write_str(&lines.join("\n"))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogMistake {
    #[error("not valid TOML: {0}")]
    NotToml(toml::de::Error),
    #[error("{name}: a catalog has only the tables [groups], [oidc] and [permission]")]
    UnknownTable { name: String },
    #[error("{path}: {reason}")]
    Name { path: String, reason: ScopeError },
    #[error("{path}: [oidc] is only for {}; all other scopes belong under [permission]", OIDC_NAMES.join(", "))]
    Kind { path: String },
    #[error("{path}: must be a table such as {{ description = \"…\" }}")]
    NotATable { path: String },
    #[error("{path}: must be {expected}")]
    Type { path: String, expected: &'static str },
    #[error(
        "{path}: unknown key; a scope has description, group, changes, private, advertised and default"
    )]
    UnknownKey { path: String },
    #[error("{path}: needs a description of 1 to {MAX_DESCRIPTION} characters on one line")]
    Description { path: String },
    #[error("{path}: needs a title of 1 to {MAX_DESCRIPTION} characters on one line")]
    Title { path: String },
    #[error("{path}: not defined under [groups]")]
    Group { path: String },
    #[error("{path}: a private scope cannot be advertised or default")]
    PrivateButOffered { path: String },
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::identity::permission::Permission;

    fn shipped() -> ScopeCatalog {
        ScopeCatalog::from_toml(SHIPPED).expect("the shipped catalog is valid")
    }

    fn mistakes_in(text: &str) -> Vec<String> {
        let error = ScopeCatalog::from_toml(text).expect_err("a mistake");
        let mistakes: Vec<String> = error.mistakes().iter().map(ToString::to_string).collect();
        assert_eq!(error.to_string(), mistakes.join("\n"));
        mistakes
    }

    #[test]
    fn an_entry_has_its_kind_and_flags_and_missing_flags_are_false() {
        let catalog = ScopeCatalog::from_toml(
            r#"
            [groups]
            you = "You"
            [oidc]
            openid = { group = "you", description = "Confirm who you are", advertised = true, default = true }
            [permission]
            keys_write = { description = "Create keys", private = true }
            "#,
        )
        .expect("a catalog");
        let openid = Scope {
            name: ScopeToken::parse("openid").expect("a name"),
            description: "Confirm who you are".to_owned(),
            group: "You".to_owned(),
            kind: ScopeKind::Oidc,
            changes: false,
            private: false,
            advertised: true,
            default: true,
        };
        let keys_write = Scope {
            name: ScopeToken::parse("keys_write").expect("a name"),
            description: "Create keys".to_owned(),
            group: OTHER_GROUP.to_owned(),
            kind: ScopeKind::Permission,
            changes: true,
            private: true,
            advertised: false,
            default: false,
        };

        assert_eq!(catalog.iter().collect::<Vec<_>>(), [&keys_write, &openid]);
        assert_eq!(catalog.find("openid"), Some(&openid));
        assert_eq!(catalog.find("OpenID"), None);
        assert_eq!(catalog.advertised().to_string(), "openid");
        assert_eq!(catalog.defaults().to_string(), "openid");
    }

    #[test]
    fn all_mistakes_are_reported_together() {
        let text = r#"
            extra = 1
            [groups]
            blank = " "
            listed = ["dashboards_read"]
            logs = "Logs"
            [oidc]
            dashboards_read = { description = "See dashboards" }
            [permission]
            email = { description = "See your email address" }
            "two words" = { description = "Do two things" }
            flat = "See things"
            lost = { description = "See lost things", group = "lgos" }
            strange = { description = "See strange things", group = true }
            long = { description = "See 12345678901234567890123456789012345678901234567890123456789012345678901234567" }
            mixed = { description = 7, private = "yes", color = "red" }
            open = { description = "See\nlines", private = true, default = true }
        "#;

        assert_eq!(
            mistakes_in(text).into_iter().collect::<BTreeSet<_>>(),
            [
                "extra: a catalog has only the tables [groups], [oidc] and [permission]",
                "groups.blank: needs a title of 1 to 80 characters on one line",
                "groups.listed: must be a string",
                "oidc.dashboards_read: [oidc] is only for openid, profile, email, offline_access; all other scopes belong under [permission]",
                "permission.email: [oidc] is only for openid, profile, email, offline_access; all other scopes belong under [permission]",
                "permission.two words: a scope name may contain only printable ASCII characters except spaces, quotes and backslashes",
                "permission.flat: must be a table such as { description = \"…\" }",
                "permission.lost.group: not defined under [groups]",
                "permission.strange.group: must be a string",
                "permission.long: needs a description of 1 to 80 characters on one line",
                "permission.mixed: needs a description of 1 to 80 characters on one line",
                "permission.mixed.color: unknown key; a scope has description, group, changes, private, advertised and default",
                "permission.mixed.description: must be a string",
                "permission.mixed.private: must be true or false",
                "permission.open: a private scope cannot be advertised or default",
                "permission.open: needs a description of 1 to 80 characters on one line",
            ]
            .map(str::to_owned)
            .into()
        );
    }

    #[test]
    fn a_repeated_name_and_invalid_toml_are_refused() {
        let twice =
            "[permission]\na = { description = \"See a\" }\na = { description = \"See b\" }";
        for text in [twice, "[permission"] {
            let mistakes = mistakes_in(text);
            assert!(
                mistakes.len() == 1 && mistakes[0].starts_with("not valid TOML"),
                "{mistakes:?}"
            );
        }
    }

    #[test]
    fn an_entry_without_changes_is_classified_by_its_name() {
        let text = r#"
            [oidc]
            offline_access = { description = "Stay connected" }
            [permission]
            reports_read = { description = "See reports" }
            "billing:read" = { description = "See bills" }
            query = { description = "Run queries" }
            read_all = { description = "See everything" }
            search = { description = "Search", changes = "see" }
            history_read = { description = "Read once", changes = "change" }
            "#;
        let catalog = ScopeCatalog::from_toml(text).expect("a catalog");

        let changing: Vec<_> =
            catalog.iter().filter(|scope| scope.changes).map(|scope| scope.name.as_str()).collect();
        assert_eq!(changing, ["history_read", "query", "read_all"]);
        for wrong in ["true", "\"read\""] {
            let text = format!("[permission]\na = {{ description = \"Do a\", changes = {wrong} }}");
            assert_eq!(mistakes_in(&text), ["permission.a.changes: must be \"see\" or \"change\""]);
        }
    }

    #[test]
    fn both_built_in_catalogs_set_changes_for_every_scope() {
        for text in [SHIPPED, MINIMAL] {
            let tables: toml::Table = text.parse().expect("TOML");
            for (name, entry) in ["oidc", "permission"]
                .iter()
                .flat_map(|kind| tables[*kind].as_table().expect("a table"))
            {
                assert!(entry.get("changes").is_some(), "{name}");
            }
        }
    }

    #[test]
    fn the_minimal_catalog_is_a_subset_of_the_shipped_one() {
        let (minimal, shipped) = (ScopeCatalog::from_toml(MINIMAL).expect("a catalog"), shipped());

        assert!(minimal.iter().all(|scope| shipped.find(scope.name.as_str()) == Some(scope)));
        assert_eq!(
            (minimal.defaults(), minimal.advertised()),
            (shipped.defaults(), shipped.advertised())
        );
        let own = |name: &str| Permission::ALL.iter().any(|permission| permission.as_str() == name);
        let others: Vec<_> =
            minimal.iter().map(|scope| scope.name.as_str()).filter(|name| !own(name)).collect();
        let expected = [
            "built_in_features",
            "email",
            "mcp_read",
            "mcp_write",
            "offline_access",
            "openid",
            "profile",
        ];
        assert_eq!(others, expected);
        assert_eq!(minimal.iter().len(), expected.len() + Permission::ALL.len());
    }

    #[test]
    fn an_empty_catalog_is_valid() {
        let catalog = ScopeCatalog::from_toml("").expect("a catalog");

        assert_eq!(
            (catalog.iter().len(), catalog.advertised().len(), catalog.defaults().len()),
            (0, 0, 0)
        );
    }

    #[test]
    fn the_shipped_descriptions_are_distinct_and_read_like_list_items() {
        let catalog = shipped();
        let mut seen = BTreeSet::new();
        for Scope { name, description, .. } in catalog.iter() {
            assert!(
                description.starts_with(|first: char| first.is_ascii_uppercase()),
                "{name}: {description}"
            );
            assert!(!description.ends_with('.'), "{name}: {description}");
            assert!(seen.insert(description), "{name}: {description}");
        }
        assert_eq!(seen.len(), 122);
    }

    #[test]
    fn every_shipped_scope_has_a_heading_and_every_heading_has_a_few_scopes() {
        let catalog = shipped();
        let mut sizes = BTreeMap::<&str, usize>::new();
        for scope in catalog.iter() {
            *sizes.entry(&scope.group).or_default() += 1;
        }

        assert!(!sizes.contains_key(OTHER_GROUP), "{sizes:?}");
        assert_eq!(sizes.len(), 13, "{sizes:?}");
        assert!(sizes.values().all(|size| (2..=20).contains(size)), "{sizes:?}");
    }

    #[test]
    fn groups_must_be_a_table() {
        let expected = "groups: a catalog has only the tables [groups], [oidc] and [permission]";
        assert_eq!(mistakes_in("groups = 1"), [expected]);
    }

    #[test]
    fn the_shipped_catalog_has_few_default_and_advertised_scopes() {
        let catalog = shipped();

        assert_eq!(catalog.defaults().to_string(), "email mcp_read openid profile");
        assert_eq!(
            catalog.advertised().to_string(),
            "email mcp_read offline_access openid profile"
        );
        let private: Vec<_> =
            catalog.iter().filter(|scope| scope.private).map(|scope| scope.name.as_str()).collect();
        assert_eq!(private, ["api_keys_write"]);
    }

    #[test]
    fn the_shipped_catalog_has_the_four_oidc_scopes() {
        let catalog = shipped();
        for name in OIDC_NAMES {
            assert_eq!(catalog.find(name).map(|scope| scope.kind), Some(ScopeKind::Oidc), "{name}");
        }
        assert_eq!(
            catalog.iter().filter(|scope| scope.kind == ScopeKind::Oidc).count(),
            OIDC_NAMES.len()
        );
    }
}
