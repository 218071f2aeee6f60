//! `config/default.toml`: every setting with its default and a comment. The file is compiled in and is what the server
//! starts from, so that the reference cannot be wrong.

use crate::config::sections::SECTIONS;
use crate::config::setting::{Section, Setting};

pub const DEFAULT_TOML: &str = include_str!("../../config/default.toml");

/// An example to copy, for Postgres behind a proxy.
pub const EXAMPLE: &str = include_str!("../../config/production.toml");

const WIDTH: usize = 118;

const HEADER: &str = "\
# Every setting of Grantor, with its default.
#
# A setting is read from these places; a later one goes before an earlier one:
#   1. this file, which is compiled into the program
#   2. the file named by --config or by GRANTOR_CONFIG; it needs only what it changes
#   3. the environment: GRANTOR_<SECTION>__<KEY>, such as GRANTOR_HTTP__LISTEN; lists as JSON or with commas between
#   4. flags: --set section.key=value
#
# A secret is better kept out of files and variables that others read: everything marked as a secret may also be given
# as the path of a file that holds it, with _file after its key (_FILE in the environment).
#
# `grantor config check` tells everything that is wrong; `grantor config print` what is in effect, and from where.
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
    let secret = if setting.secret { format!("# A secret: also as {}_file\n", setting.key()) } else { String::new() };
    let allowed = comment(&format!("Allowed: {}", setting.allowed));
    format!("{}{allowed}{secret}{} = {}\n", comment(setting.about), setting.key(), setting.default)
}

/// Words as comment lines no longer than `WIDTH`.
fn comment(text: &str) -> String {
    let mut lines = vec!["#".to_owned()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("# {word}")),
        }
    }
    lines.join("\n") + "\n"
}

#[expect(clippy::expect_used, reason = "the text is compiled in and a test reads it")]
pub fn defaults() -> toml::Table {
    DEFAULT_TOML.parse().expect("config/default.toml is TOML")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sections;

    #[test]
    fn the_file_of_defaults_is_the_generated_reference() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/default.toml");
        let expected = reference();

        assert!(DEFAULT_TOML == expected, "{path} differs from the settings; it should read:\n{expected}");
    }

    #[test]
    fn every_setting_stands_in_its_section_with_its_default() {
        let defaults = defaults();
        for section in SECTIONS {
            let table = defaults[section.name].as_table().expect(section.name);

            assert_eq!(table.len(), section.settings.len(), "{}", section.name);
            for setting in section.settings {
                assert_eq!(setting.name, format!("{}.{}", section.name, setting.key()));
                let default = format!("value = {}", setting.default).parse::<toml::Table>().expect(setting.name);
                assert_eq!(table[setting.key()], default["value"], "{}", setting.name);
            }
        }
        assert_eq!(defaults.len(), SECTIONS.len());
    }

    #[test]
    fn every_setting_is_explained_in_sentences() {
        for setting in sections::all_settings() {
            assert!(setting.about.ends_with(['.', '…']) && !setting.allowed.is_empty(), "{}", setting.name);
            assert!(!setting.allowed.ends_with('.'), "{}", setting.name);
        }
        assert!(SECTIONS.iter().all(|section| section.about.ends_with('.')));
    }

    #[test]
    fn comments_break_between_words_before_they_grow_too_long() {
        assert_eq!(comment("short  text"), "# short text\n");
        let wrapped = comment(&"word ".repeat(50));
        assert_eq!(wrapped.lines().count(), 3);
        assert!(wrapped.lines().all(|line| line.starts_with("# word") && line.len() <= WIDTH));
    }
}
