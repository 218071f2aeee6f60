//! The texts of the pages by language and key, such as `login.title`. They come from
//! `locales/*.toml` and are compiled into the binary.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::LazyLock;

use askama::Template;
use askama::filters::HtmlSafe;

use crate::http::views::{format, style};
use crate::rules::authorization::language::Language;
use crate::rules::timestamp::Timestamp;

static ENGLISH: LazyLock<Texts> =
    LazyLock::new(|| Texts::read(include_str!("../../../locales/en.toml")));
static GERMAN: LazyLock<Texts> =
    LazyLock::new(|| Texts::read(include_str!("../../../locales/de.toml")));

/// Tables whose keys are English texts of the scope catalog. `en.toml` does not have them.
const CATALOG_TABLES: [&str; 2] = ["groups", "scopes"];

#[derive(Debug, Default)]
struct Texts {
    by_key: BTreeMap<String, String>,
    /// Translations of the headings and descriptions in the shipped catalog, by their English text.
    /// A text that the operator changed has no translation and is shown unchanged.
    of_catalog: BTreeMap<String, String>,
}

impl Texts {
    fn read(text: &str) -> Self {
        let mut texts = Self::default();
        // The tests below fail if a file is not TOML or lacks a text.
        for (name, value) in text.parse::<toml::Table>().unwrap_or_default() {
            texts.read_value(&name, value);
        }
        texts
    }

    fn read_value(&mut self, key: &str, value: toml::Value) {
        match value {
            toml::Value::Table(entries) if CATALOG_TABLES.contains(&key) => {
                let entries = entries
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())));
                self.of_catalog.extend(entries);
            }
            toml::Value::Table(entries) => {
                for (name, value) in entries {
                    self.read_value(&format!("{key}.{name}"), value);
                }
            }
            toml::Value::String(text) => _ = self.by_key.insert(key.to_owned(), text),
            _ => {}
        }
    }
}

/// The texts in one language, for use in templates.
#[derive(Clone, Copy)]
pub struct Words(Language);

impl Words {
    pub const fn new(language: Language) -> Self {
        Self(language)
    }

    /// The value of the `lang` attribute.
    pub const fn tag(self) -> &'static str {
        self.0.tag()
    }

    pub fn style_url(self) -> &'static str {
        style::url()
    }

    fn texts(self) -> &'static Texts {
        match self.0 {
            Language::English => &ENGLISH,
            Language::German => &GERMAN,
        }
    }

    pub fn text(self, key: &str) -> &'static str {
        self.texts().by_key.get(key).map_or("", String::as_str)
    }

    /// A text with placeholders.
    pub fn phrase(self, key: &str) -> Phrase {
        Phrase::parse(self.text(key))
    }

    /// A heading or a description of the scope catalog, translated if it is a shipped one.
    pub fn catalog_text(self, text: &str) -> &str {
        self.texts().of_catalog.get(text).map_or(text, String::as_str)
    }
}

/// A text whose placeholders are filled in one by one. Each value is in its own `<bdi>`, so that a
/// name written from right to left does not reorder the sentence around it.
#[derive(Template)]
#[template(path = "phrase.html")]
pub struct Phrase {
    parts: Vec<Part>,
}

enum Part {
    Text(&'static str),
    /// A `{name}` that is not filled in yet.
    Placeholder(&'static str),
    Value(String),
    Number(u64),
    Date(Timestamp),
}

/// Safe because the template of the phrase escapes every part.
impl HtmlSafe for Phrase {}

impl Phrase {
    fn parse(text: &'static str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, (placeholder, after))) =
            rest.split_once('{').and_then(|(before, tail)| Some((before, tail.split_once('}')?)))
        {
            parts.extend([Part::Text(before), Part::Placeholder(placeholder)]);
            rest = after;
        }
        parts.push(Part::Text(rest));
        Self { parts }
    }

    /// A name, truncated if it is long.
    pub fn with(self, placeholder: &str, name: impl Display) -> Self {
        self.fill(placeholder, || Part::Value(format::line(&name.to_string())))
    }

    /// An untrusted name, for a placeholder between quotation marks.
    pub fn named(self, placeholder: &str, name: impl Display) -> Self {
        self.fill(placeholder, || Part::Value(format::name(&name.to_string())))
    }

    /// A host or a scheme, with a higher limit, because the end of a host is the important part.
    pub fn whole(self, placeholder: &str, text: impl Display) -> Self {
        self.fill(placeholder, || Part::Value(format::detail(&text.to_string())))
    }

    pub fn number(self, placeholder: &str, number: &u64) -> Self {
        self.fill(placeholder, || Part::Number(*number))
    }

    pub fn count(self, placeholder: &str, number: &usize) -> Self {
        self.number(placeholder, &u64::try_from(*number).unwrap_or(u64::MAX))
    }

    pub fn date(self, placeholder: &str, at: &Timestamp) -> Self {
        self.fill(placeholder, || Part::Date(*at))
    }

    fn fill(mut self, placeholder: &str, value: impl Fn() -> Part) -> Self {
        for part in &mut self.parts {
            if matches!(part, Part::Placeholder(name) if *name == placeholder) {
                *part = value();
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;
    use crate::http::views::gallery;
    use crate::rules::scope::catalog::{OTHER_GROUP, SHIPPED, ScopeCatalog};

    fn placeholders(text: &str) -> BTreeSet<&str> {
        text.split('{')
            .skip(1)
            .filter_map(|tail| tail.split_once('}'))
            .map(|(placeholder, _)| placeholder)
            .collect()
    }

    #[test]
    fn every_language_has_the_same_keys_with_the_same_placeholders_and_no_text_is_blank() {
        assert!(!ENGLISH.by_key.is_empty());
        assert_eq!(
            ENGLISH.by_key.keys().collect::<Vec<_>>(),
            GERMAN.by_key.keys().collect::<Vec<_>>(),
            "the keys of en.toml and de.toml"
        );
        for (key, english) in &ENGLISH.by_key {
            let german = &GERMAN.by_key[key];
            assert_eq!(placeholders(english), placeholders(german), "{key}");
            assert!(!english.trim().is_empty() && !german.trim().is_empty(), "{key}");
        }
    }

    #[test]
    fn exactly_the_texts_of_the_shipped_catalog_are_translated() {
        let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
        let texts =
            catalog.iter().flat_map(|scope| [scope.group.as_str(), scope.description.as_str()]);
        let expected: BTreeSet<&str> = texts.chain([OTHER_GROUP]).collect();
        let translated: BTreeSet<&str> = GERMAN.of_catalog.keys().map(String::as_str).collect();

        assert_eq!(translated, expected);
        assert!(ENGLISH.of_catalog.is_empty());
        for (text, german) in &GERMAN.of_catalog {
            assert!((1..=80).contains(&german.chars().count()), "{text}: {german}");
        }
    }

    #[test]
    fn a_catalog_text_that_an_operator_wrote_is_not_translated() {
        let german = Words::new(Language::German);

        assert_eq!(german.catalog_text("See dashboards"), "Dashboards sehen");
        assert_eq!(
            german.catalog_text("See every dashboard of the plant"),
            "See every dashboard of the plant"
        );
        assert_eq!(Words::new(Language::English).catalog_text("See dashboards"), "See dashboards");
    }

    #[test]
    fn templates_use_only_existing_keys_and_every_key_is_used() {
        let mut used = BTreeSet::new();
        for folder in ["templates", "src/http/views"] {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                // The gallery, which is a folder, holds test data.
                if path.is_dir() {
                    continue;
                }
                let text = fs::read_to_string(path).expect("a text");
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                for quoted in code
                    .split('"')
                    .filter(|quoted| quoted.contains('.') && !quoted.contains([' ', '/']))
                {
                    used.insert(quoted.to_owned());
                }
                for call in ["words.text(\"", "words.phrase(\""] {
                    for key in code
                        .split(call)
                        .skip(1)
                        .filter_map(|tail| tail.split_once('"'))
                        .map(|(key, _)| key)
                    {
                        assert!(ENGLISH.by_key.contains_key(key), "{key}");
                    }
                }
            }
        }
        let unused: Vec<_> = ENGLISH.by_key.keys().filter(|key| !used.contains(*key)).collect();
        let of_problems =
            |key: &&String| key.starts_with("problem.") && key.matches('.').count() == 2;
        assert!(unused.iter().all(of_problems), "{unused:?}");
    }

    #[test]
    fn values_are_escaped_and_isolated() {
        let phrase = Words::new(Language::English).phrase("consent.wants_to_use");
        let html = phrase.with("resource", "\u{202E}<b>A & \"B\"</b>").to_string();

        let name = "<bdi>\u{FFFD}&#60;b&#62;A &#38; &#34;B&#34;&#60;/b&#62;</bdi>";
        assert_eq!(html, format!("Something on this device wants to use {name} on your behalf."));
    }

    #[test]
    fn a_value_that_looks_like_a_placeholder_is_not_filled_in() {
        let phrase = Words::new(Language::English).phrase("organization.intro_published");
        let html = phrase.named("client", "{host}").whole("host", "acme.example").to_string();

        assert!(
            html.starts_with("<bdi>{host}</bdi>, an app published by <bdi>acme.example</bdi>"),
            "{html}"
        );
    }

    #[test]
    fn no_page_has_an_unfilled_placeholder_or_an_empty_text() {
        for (name, html) in gallery::rendered() {
            let body = html.replace(gallery::NAME_WITH_BRACES, "");
            assert!(!body.contains(['{', '}']), "{name}");
            for empty in [
                "<h1></h1>",
                "<h2></h2>",
                "<title></title>",
                "<legend></legend>",
                "<button></button>",
            ] {
                assert!(!body.contains(empty), "{name}: {empty}");
            }
        }
    }
}
