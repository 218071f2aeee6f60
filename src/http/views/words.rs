//! What the pages say, in the reader's language: `locales/*.toml`, compiled in, found by keys such as `login.title`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::LazyLock;

use askama::Template;
use askama::filters::HtmlSafe;

use crate::http::views::language::Language;
use crate::http::views::{shown, style};
use crate::rules::timestamp::Timestamp;

static ENGLISH: LazyLock<Texts> = LazyLock::new(|| Texts::read(include_str!("../../../locales/en.toml")));
static GERMAN: LazyLock<Texts> = LazyLock::new(|| Texts::read(include_str!("../../../locales/de.toml")));

/// Tables whose keys are texts of the catalog. English has none: the catalog is written in it.
const CATALOG_TABLES: [&str; 2] = ["groups", "scopes"];

#[derive(Debug, Default)]
struct Texts {
    by_key: BTreeMap<String, String>,
    /// Headings and descriptions of the shipped catalog, each under its English text. So a catalog in which an
    /// operator wrote something else is shown as it is written.
    of_catalog: BTreeMap<String, String>,
}

impl Texts {
    fn read(text: &str) -> Self {
        let mut texts = Self::default();
        // A file that is no TOML, and a text that is missing, are found by the tests below.
        for (name, value) in text.parse::<toml::Table>().unwrap_or_default() {
            texts.read_value(&name, value);
        }
        texts
    }

    fn read_value(&mut self, key: &str, value: toml::Value) {
        match value {
            toml::Value::Table(entries) if CATALOG_TABLES.contains(&key) => {
                let entries = entries.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())));
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

/// What a template asks for words.
#[derive(Clone, Copy)]
pub struct Words(Language);

impl Words {
    pub const fn new(language: Language) -> Self {
        Self(language)
    }

    /// For the attribute `lang`.
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

    pub fn of(self, key: &str) -> &'static str {
        self.texts().by_key.get(key).map_or("", String::as_str)
    }

    /// A text with places to fill in.
    pub fn say(self, key: &str) -> Phrase {
        Phrase::read(self.of(key))
    }

    /// A heading or a description of the catalog.
    pub fn of_catalog(self, text: &str) -> &str {
        self.texts().of_catalog.get(text).map_or(text, String::as_str)
    }
}

/// A text whose places are filled in one by one. What is filled in stands apart in the markup, so that a name written
/// from right to left does not turn the sentence around it.
#[derive(Template)]
#[template(path = "phrase.html")]
pub struct Phrase {
    parts: Vec<Part>,
}

enum Part {
    Text(&'static str),
    /// `{name}`, still to be filled in.
    Place(&'static str),
    Value(String),
    Number(u64),
    Date(Timestamp),
}

/// Its own template escapes it.
impl HtmlSafe for Phrase {}

impl Phrase {
    fn read(text: &'static str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, (place, after))) =
            rest.split_once('{').and_then(|(before, tail)| Some((before, tail.split_once('}')?)))
        {
            parts.extend([Part::Text(before), Part::Place(place)]);
            rest = after;
        }
        parts.push(Part::Text(rest));
        Self { parts }
    }

    /// A name, cut where it is long.
    pub fn with(self, place: &str, name: impl Display) -> Self {
        self.fill(place, || Part::Value(shown::line(&name.to_string())))
    }

    /// A name that a stranger chose, between the quotation marks of the text.
    pub fn named(self, place: &str, name: impl Display) -> Self {
        self.fill(place, || Part::Value(shown::name(&name.to_string())))
    }

    /// A host or a scheme, whose end is what matters.
    pub fn whole(self, place: &str, text: impl Display) -> Self {
        self.fill(place, || Part::Value(shown::detail(&text.to_string())))
    }

    pub fn number(self, place: &str, number: &u64) -> Self {
        self.fill(place, || Part::Number(*number))
    }

    pub fn count(self, place: &str, number: &usize) -> Self {
        self.number(place, &u64::try_from(*number).unwrap_or(u64::MAX))
    }

    pub fn date(self, place: &str, at: &Timestamp) -> Self {
        self.fill(place, || Part::Date(*at))
    }

    fn fill(mut self, place: &str, value: impl Fn() -> Part) -> Self {
        for part in &mut self.parts {
            if matches!(part, Part::Place(name) if *name == place) {
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

    fn places(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|tail| tail.split_once('}')).map(|(place, _)| place).collect()
    }

    #[test]
    fn every_language_has_the_same_keys_with_the_same_places_and_no_text_is_blank() {
        assert!(!ENGLISH.by_key.is_empty());
        assert_eq!(
            ENGLISH.by_key.keys().collect::<Vec<_>>(),
            GERMAN.by_key.keys().collect::<Vec<_>>(),
            "the keys of en.toml and de.toml"
        );
        for (key, english) in &ENGLISH.by_key {
            let german = &GERMAN.by_key[key];
            assert_eq!(places(english), places(german), "{key}");
            assert!(!english.trim().is_empty() && !german.trim().is_empty(), "{key}");
        }
    }

    #[test]
    fn the_shipped_catalog_is_translated_whole_and_nothing_else_is() {
        let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
        let texts = catalog.iter().flat_map(|scope| [scope.group.as_str(), scope.description.as_str()]);
        let expected: BTreeSet<&str> = texts.chain([OTHER_GROUP]).collect();
        let translated: BTreeSet<&str> = GERMAN.of_catalog.keys().map(String::as_str).collect();

        assert_eq!(translated, expected);
        assert!(ENGLISH.of_catalog.is_empty());
        for (text, german) in &GERMAN.of_catalog {
            assert!((1..=80).contains(&german.chars().count()), "{text}: {german}");
        }
    }

    #[test]
    fn a_text_that_an_operator_wrote_is_shown_as_it_is_written() {
        let german = Words::new(Language::German);

        assert_eq!(german.of_catalog("See dashboards"), "Dashboards sehen");
        assert_eq!(german.of_catalog("See every dashboard of the plant"), "See every dashboard of the plant");
        assert_eq!(Words::new(Language::English).of_catalog("See dashboards"), "See dashboards");
    }

    #[test]
    fn templates_ask_for_keys_that_exist_and_every_key_is_asked_for() {
        let mut asked = BTreeSet::new();
        for folder in ["templates", "src/http/views"] {
            for entry in fs::read_dir(folder).expect("a folder") {
                let text = fs::read_to_string(entry.expect("an entry").path()).expect("a text");
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                for quoted in code.split('"').filter(|quoted| quoted.contains('.') && !quoted.contains([' ', '/'])) {
                    asked.insert(quoted.to_owned());
                }
                for call in ["words.of(\"", "words.say(\""] {
                    for key in code.split(call).skip(1).filter_map(|tail| tail.split_once('"')).map(|(key, _)| key) {
                        assert!(ENGLISH.by_key.contains_key(key), "{key}");
                    }
                }
            }
        }
        let unused: Vec<_> = ENGLISH.by_key.keys().filter(|key| !asked.contains(*key)).collect();
        let of_problems = |key: &&String| key.starts_with("problem.") && key.matches('.').count() == 2;
        assert!(unused.iter().all(of_problems), "{unused:?}");
    }

    #[test]
    fn what_is_filled_in_is_escaped_and_stands_apart() {
        let phrase = Words::new(Language::English).say("consent.wants_to_use");
        let html = phrase.with("resource", "\u{202E}<b>A & \"B\"</b>").to_string();

        let name = "<bdi>\u{FFFD}&#60;b&#62;A &#38; &#34;B&#34;&#60;/b&#62;</bdi>";
        assert_eq!(html, format!("Something on this device wants to use {name} for you."));
    }

    #[test]
    fn a_value_that_looks_like_a_place_is_no_place() {
        let phrase = Words::new(Language::English).say("organization.intro_published");
        let html = phrase.named("client", "{host}").whole("host", "acme.example").to_string();

        assert!(html.starts_with("<bdi>{host}</bdi>, an app published by <bdi>acme.example</bdi>"), "{html}");
    }

    #[test]
    fn no_page_in_any_state_leaves_a_place_or_a_text_out() {
        for (name, html) in gallery::rendered() {
            let body = html.replace(gallery::NAME_WITH_BRACES, "");
            assert!(!body.contains(['{', '}']), "{name}");
            for empty in ["<h1></h1>", "<h2></h2>", "<title></title>", "<legend></legend>", "<button></button>"] {
                assert!(!body.contains(empty), "{name}: {empty}");
            }
        }
    }
}
