//! `settings.md`: every setting, from `config/default.toml`.

use std::collections::BTreeSet;

use grantor::config::DEFAULT_TOML;

use super::{Page, compare};
use crate::docs::markdown::{code, escape, paragraph, table};

const INTRODUCTION: &str = "\
# Settings reference

This page is generated from [config/default.toml](../../config/default.toml), which is compiled into the program.
[Settings](../operate/settings.md) explains where settings come from, and how to keep secrets in files.
";

struct Section {
    name: String,
    about: String,
    settings: Vec<Setting>,
}

struct Setting {
    name: String,
    default: String,
    about: String,
    allowed: String,
    is_secret: bool,
}

#[test]
fn the_page_lists_every_setting_with_its_default() {
    let sections = sections(DEFAULT_TOML);
    let listed: BTreeSet<String> = sections
        .iter()
        .flat_map(|section| &section.settings)
        .map(|setting| setting.name.clone())
        .collect();
    assert_eq!(listed, names(DEFAULT_TOML));

    let mut page = INTRODUCTION.to_owned();
    for section in &sections {
        let rows = section.settings.iter().map(row);
        let table = table(["setting", "default", "environment variable", "meaning"], rows);
        page +=
            &format!("\n## {}\n\n{}\n{table}", section.name, paragraph(&escape(&section.about)));
    }
    compare(&[Page::new("settings.md", page)]);
}

fn row(setting: &Setting) -> [String; 4] {
    let name = &setting.name;
    let variable = format!("GRANTOR_{}", name.replace('.', "__").to_uppercase());
    let mut meaning = format!("{} Allowed: {}.", setting.about, setting.allowed);
    if setting.is_secret {
        meaning += &format!(
            " A secret: `{name}_file` or `{variable}_FILE` can name a file that holds it."
        );
    }
    [code(name), escape(&code(&setting.default)), code(&variable), escape(&meaning)]
}

/// `section.key` of every setting, as TOML reads them.
fn names(defaults: &str) -> BTreeSet<String> {
    let tables: toml::Table = defaults.parse().expect("TOML");
    let keys = |(section, table): (String, toml::Value)| {
        let keys =
            table.as_table().expect("a section").keys().map(|key| format!("{section}.{key}"));
        keys.collect::<Vec<_>>()
    };
    tables.into_iter().flat_map(keys).collect()
}

/// Sections and settings with the comments above them.
fn sections(defaults: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    let mut lines = defaults.lines();
    while let Some(line) = lines.next() {
        if let Some(words) = line.strip_prefix('#') {
            comment.push(words.trim());
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            let name = name.trim_end_matches(']').to_owned();
            sections.push(Section { name, about: comment.join(" "), settings: Vec::new() });
        } else if let Some((key, first)) = line.split_once(" = ") {
            let default = if first == "[" { list(&mut lines) } else { first.to_owned() };
            let section = sections.last_mut().expect("a setting is in a section");
            let setting = setting(format!("{}.{key}", section.name), default, &comment);
            section.settings.push(setting);
        }
        comment.clear();
    }
    sections
}

/// A list that takes several lines, on one.
fn list<'a>(lines: &mut impl Iterator<Item = &'a str>) -> String {
    let items: Vec<&str> = lines.take_while(|line| *line != "]").map(str::trim).collect();
    format!("[{}]", items.join(" ").trim_end_matches(','))
}

fn setting(name: String, default: String, comment: &[&str]) -> Setting {
    let (secret, words): (Vec<&str>, Vec<&str>) =
        comment.iter().copied().partition(|line| line.starts_with("A secret:"));
    let words = words.join(" ");
    let (about, allowed) =
        words.split_once(" Allowed: ").unwrap_or_else(|| panic!("what does {name} allow?"));
    Setting {
        name,
        default,
        about: about.to_owned(),
        allowed: allowed.to_owned(),
        is_secret: !secret.is_empty(),
    }
}
