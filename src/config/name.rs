//! The spellings of setting names, and suggestions for misspelled names.

use crate::config::sections;
use crate::config::setting::Setting;

pub const PREFIX: &str = "GRANTOR_";
/// The path of the settings file, not a setting itself.
pub const CONFIG_VARIABLE: &str = "GRANTOR_CONFIG";
/// The organization that commands use, not a setting itself.
pub const ORG_VARIABLE: &str = "GRANTOR_ORG";
/// Hosting platforms set this variable; it sets `database.url`.
pub const DATABASE_VARIABLE: &str = "DATABASE_URL";

/// Old names of settings, each with its current name.
const RENAMED: [(&str, &str); 1] = [("scopes.catalogue", "scopes.catalog")];

/// A name as it was written.
pub enum Name {
    /// `section.key` in the file and in flags; `section.key_file` names a file that holds a secret.
    Dotted(String),
    /// `GRANTOR_SECTION__KEY`, and `GRANTOR_SECTION__KEY_FILE`.
    Variable(String),
}

/// What a name refers to.
#[derive(Clone, Copy)]
pub enum Target {
    Value(&'static Setting),
    FileWithValue(&'static Setting),
}

impl Target {
    pub const fn setting(self) -> &'static Setting {
        match self {
            Self::Value(setting) | Self::FileWithValue(setting) => setting,
        }
    }

    fn every() -> impl Iterator<Item = Self> {
        let files =
            sections::all_settings().filter(|setting| setting.secret).map(Self::FileWithValue);
        sections::all_settings().map(Self::Value).chain(files)
    }

    fn dotted(self) -> String {
        match self {
            Self::Value(setting) => setting.name.to_owned(),
            Self::FileWithValue(setting) => format!("{}_file", setting.name),
        }
    }

    fn variable(self) -> String {
        format!("{PREFIX}{}", self.dotted().replacen('.', "__", 1).to_uppercase())
    }
}

impl Name {
    pub fn find(&self) -> Option<Target> {
        Target::every().find(|target| match self {
            Self::Dotted(written) => *written == target.dotted(),
            Self::Variable(written) => *written == target.variable(),
        })
    }

    /// The current name of a setting that was renamed, in the same spelling as the old one.
    pub fn renamed(&self) -> Option<String> {
        let written = self.as_dotted();
        let (_, new) = RENAMED.iter().find(|(old, _)| *old == written)?;
        let setting = sections::find_setting(new)?;
        Some(self.spelled(Target::Value(setting)))
    }

    /// The most similar known name in the same spelling, if any is similar enough.
    pub fn nearest(&self) -> Option<String> {
        const MIN_LIKENESS: f64 = 0.6;
        let written = self.as_dotted();
        let nearest = Target::every()
            .map(|target| (likeness(&written, &target.dotted()), target))
            .filter(|(likeness, _)| *likeness >= MIN_LIKENESS)
            .max_by(|(one, _), (other, _)| one.total_cmp(other));
        nearest.map(|(_, target)| self.spelled(target))
    }

    fn spelled(&self, target: Target) -> String {
        match self {
            Self::Dotted(_) => target.dotted(),
            Self::Variable(_) => target.variable(),
        }
    }

    fn as_dotted(&self) -> String {
        match self {
            Self::Dotted(written) => written.to_lowercase(),
            Self::Variable(written) => {
                written.trim_start_matches(PREFIX).to_lowercase().replacen("__", ".", 1)
            }
        }
    }
}

/// Similarity from 0 to 1. A key without its section counts slightly less than the whole name.
fn likeness(written: &str, known: &str) -> f64 {
    const WITHOUT_SECTION: f64 = 0.95;
    let whole = strsim::normalized_damerau_levenshtein(written, known);
    let key = known.split_once('.').map_or(known, |(_, key)| key);
    whole.max(WITHOUT_SECTION * strsim::normalized_damerau_levenshtein(written, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dotted(written: &str) -> Name {
        Name::Dotted(written.to_owned())
    }

    fn variable(written: &str) -> Name {
        Name::Variable(written.to_owned())
    }

    #[test]
    fn every_setting_is_found_by_both_of_its_names() {
        for setting in sections::all_settings() {
            let name = setting.name.to_uppercase().replace('.', "__");
            for written in [dotted(setting.name), variable(&format!("GRANTOR_{name}"))] {
                let found = written.find();
                assert!(
                    matches!(found, Some(Target::Value(found)) if found.name == setting.name),
                    "{}",
                    setting.name
                );
            }
        }
    }

    #[test]
    fn only_a_secret_can_be_read_from_its_own_file() {
        let found = |name: Name| {
            name.find()
                .map(|target| (target.setting().name, matches!(target, Target::FileWithValue(_))))
        };

        assert_eq!(found(dotted("secrets.key_file")), Some(("secrets.key", true)));
        assert_eq!(found(variable("GRANTOR_DATABASE__URL_FILE")), Some(("database.url", true)));
        assert_eq!(found(dotted("http.listen_file")), None);
    }

    #[test]
    fn a_renamed_setting_names_its_successor_in_its_own_spelling() {
        let old = [
            dotted("scopes.catalogue"),
            variable("GRANTOR_SCOPES__CATALOGUE"),
            dotted("scopes.catalog"),
        ];

        let renamed: Vec<_> = old.iter().map(Name::renamed).collect();

        assert_eq!(
            renamed,
            [Some("scopes.catalog".to_owned()), Some("GRANTOR_SCOPES__CATALOG".to_owned()), None]
        );
        for (old, new) in RENAMED {
            assert!(
                sections::find_setting(old).is_none() && sections::find_setting(new).is_some(),
                "{old}"
            );
        }
    }

    #[test]
    fn a_misspelled_name_gets_the_nearest_suggestion_in_its_own_spelling() {
        let cases = [
            (dotted("http.lisen"), Some("http.listen")),
            (dotted("htpp.listen"), Some("http.listen")),
            (dotted("listen"), Some("http.listen")),
            (dotted("database.pool_url_file"), Some("database.url_file")),
            (dotted("HTTP.Listen"), Some("http.listen")),
            (dotted("colour"), None),
            (variable("GRANTOR_HTTP_LISTEN"), Some("GRANTOR_HTTP__LISTEN")),
            (variable("GRANTOR_LISTEN"), Some("GRANTOR_HTTP__LISTEN")),
            (variable("GRANTOR_DATABASE_URL"), Some("GRANTOR_DATABASE__URL")),
            (variable("GRANTOR_SECRET__KEY_FILE"), Some("GRANTOR_SECRETS__KEY_FILE")),
            (
                variable("GRANTOR_LIMITS__REGISTER_PER_MINUT"),
                Some("GRANTOR_LIMITS__REGISTER_PER_MINUTE"),
            ),
            (variable("GRANTOR_http__listen"), Some("GRANTOR_HTTP__LISTEN")),
            (variable("GRANTOR_COLOUR"), None),
        ];
        for (name, expected) in cases {
            assert_eq!(name.nearest().as_deref(), expected, "{}", name.as_dotted());
            assert!(name.find().is_none());
        }
    }
}
