//! `config/default.toml`: every setting with its default and a comment. The file is compiled in and
//! holds the defaults that the server uses, so the reference cannot be wrong.

use crate::config::sections::SECTIONS;
use crate::config::setting::{Section, Setting};

pub const DEFAULT_TOML: &str = include_str!("../../config/default.toml");

/// An example for production: Postgres, behind a proxy.
pub const EXAMPLE: &str = include_str!("../../config/production.toml");

/// Maximum width of a comment line, in characters.
const MAX_WIDTH: usize = 100;

const HEADER: &str = "\
# Every setting of Grantor, with its default.
#
# Settings are read from these places. A later one overrides an earlier one:
#   1. this file, which is compiled into the program
#   2. the file named by --config or GRANTOR_CONFIG; it needs only the settings that it changes
#   3. environment variables: GRANTOR_<SECTION>__<KEY>, such as GRANTOR_HTTP__LISTEN; lists are JSON
#      or separated by commas
#   4. flags: --set section.key=value
#
# A setting marked as a secret can also be read from a file: add _file to its key (_FILE in the
# environment) and set it to the path of the file.
#
# `grantor config check` reports every problem at once. `grantor config print` shows the settings in
# effect and where each comes from.
";

/// The text of `config/default.toml`.
pub fn reference() -> String {
    let sections: Vec<_> = SECTIONS.iter().map(section).collect();
    format!("{HEADER}\n{}", sections.join("\n"))
}

fn section(section: &Section) -> String {
    let settings: Vec<_> = section.settings.iter().map(setting).collect();
    format!("{}[{}]\n\n{}", comment(section.about), section.name, settings.join("\n"))
}

fn setting(setting: &Setting) -> String {
    let secret = if setting.secret {
        format!("# A secret: also as {}_file\n", setting.key())
    } else {
        String::new()
    };
    let allowed = comment(&format!("Allowed: {}", setting.allowed));
    format!("{}{allowed}{secret}{} = {}\n", comment(setting.about), setting.key(), setting.default)
}

/// Breaks a text into comment lines of at most `MAX_WIDTH`.
fn comment(text: &str) -> String {
    let mut lines = vec!["#".to_owned()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= MAX_WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("# {word}")),
        }
    }
    lines.join("\n") + "\n"
}

#[expect(clippy::expect_used, reason = "the text is compiled in and a test parses it")]
pub fn defaults() -> toml::Table {
    DEFAULT_TOML.parse().expect("config/default.toml is TOML")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sections;

    #[test]
    fn the_default_file_is_the_generated_reference() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/default.toml");
        let expected = reference();

        assert!(
            DEFAULT_TOML == expected,
            "{path} differs from the settings; it should read:\n{expected}"
        );
    }

    #[test]
    fn every_setting_is_in_its_section_with_its_default() {
        let defaults = defaults();
        for section in SECTIONS {
            let table = defaults[section.name].as_table().expect(section.name);

            assert_eq!(table.len(), section.settings.len(), "{}", section.name);
            for setting in section.settings {
                assert_eq!(setting.name, format!("{}.{}", section.name, setting.key()));
                let default = format!("value = {}", setting.default)
                    .parse::<toml::Table>()
                    .expect(setting.name);
                assert_eq!(table[setting.key()], default["value"], "{}", setting.name);
            }
        }
        assert_eq!(defaults.len(), SECTIONS.len());
    }

    #[test]
    fn every_setting_is_explained_in_sentences() {
        for setting in sections::all_settings() {
            assert!(
                setting.about.ends_with(['.', '…']) && !setting.allowed.is_empty(),
                "{}",
                setting.name
            );
            assert!(!setting.allowed.ends_with('.'), "{}", setting.name);
        }
        assert!(SECTIONS.iter().all(|section| section.about.ends_with('.')));
    }

    #[test]
    fn comments_break_between_words_at_the_maximum_width() {
        assert_eq!(comment("short  text"), "# short text\n");
        let wrapped = comment(&"word ".repeat(50));
        assert_eq!(wrapped.lines().count(), 3);
        assert!(wrapped.lines().all(|line| line.starts_with("# word") && line.len() <= MAX_WIDTH));
    }
}
