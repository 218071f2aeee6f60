//! Every relative link of the documentation resolves, and pages stay short.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::markdown::anchor;

const MAX_LINES: usize = 250;
const MAX_LINES_OF_A_DECISION: usize = 40;

/// The pages outside `docs`.
const PAGES: [&str; 4] = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let mut pages: Vec<PathBuf> = PAGES.iter().map(PathBuf::from).collect();
    pages.extend(pages_below(Path::new("docs")));

    let mut broken = Vec::new();
    for page in &pages {
        for (line, target) in links(&read(page)) {
            if let Err(reason) = resolve(page, &target) {
                broken.push(format!("{}:{line}: {target}: {reason}", page.display()));
            }
        }
    }

    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn no_page_is_too_long() {
    let is_too_long = |page: &PathBuf| {
        let limit =
            if page.starts_with("docs/decisions") { MAX_LINES_OF_A_DECISION } else { MAX_LINES };
        let lines = read(page).lines().count();
        (lines > limit)
            .then(|| format!("{} has {lines} lines; the limit is {limit}", page.display()))
    };

    let too_long: Vec<String> =
        pages_below(Path::new("docs")).iter().filter_map(is_too_long).collect();

    assert_eq!(too_long, Vec::<String>::new());
}

#[test]
fn links_are_found_outside_code_only() {
    let page = "# One\n[a](b.md) and `[c](d.md)`, [e](https://example.com), [f](#one)\n```\n[g](h.md)\n```\n[i\nj](k.md#l)\n";

    let found = links(page);

    let expected = [(2, "b.md"), (2, "#one"), (7, "k.md#l")];
    assert_eq!(found, expected.map(|(line, target)| (line, target.to_owned())));
}

#[test]
fn a_repeated_heading_gets_a_number() {
    let page = "# One\n## Two\n```sh\n# a comment\n```\n## [Two](two.md)\n";

    assert_eq!(anchors(page), ["one", "two", "two-1"]);
}

fn read(page: &Path) -> String {
    fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

fn pages_below(folder: &Path) -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder exists") {
        let path = entry.expect("is readable").path();
        if path.is_dir() {
            pages.extend(pages_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages.sort();
    pages
}

fn resolve(page: &Path, target: &str) -> Result<(), &'static str> {
    let (path, fragment) =
        target.split_once('#').map_or((target, None), |(path, fragment)| (path, Some(fragment)));
    let folder = page.parent().unwrap_or(Path::new(""));
    let file = if path.is_empty() { page.to_owned() } else { folder.join(path) };
    if !file.exists() {
        return Err("there is no such file");
    }
    match fragment {
        None => Ok(()),
        Some(_) if file.extension().is_none_or(|extension| extension != "md") => {
            Err("only pages have anchors")
        }
        Some(fragment) if anchors(&read(&file)).iter().any(|anchor| anchor == fragment) => Ok(()),
        Some(_) => Err("the page has no such heading"),
    }
}

/// The relative links of a page, with their lines.
fn links(page: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (number, line) in lines_outside_code(page) {
        // The odd parts are between backticks.
        let words: Vec<&str> = line.split('`').step_by(2).collect();
        let targets = words.join("`");
        let targets = targets.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        links.extend(targets.map(|(target, _)| (number, target.to_owned())));
    }
    links.retain(|(_, target)| !target.contains("://") && !target.starts_with("mailto:"));
    links
}

fn anchors(page: &str) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = Vec::new();
    for (_, line) in lines_outside_code(page) {
        let Some((marks, heading)) = line.split_once(' ') else { continue };
        if marks.is_empty() || marks.chars().any(|c| c != '#') {
            continue;
        }
        let name = anchor(&without_targets(heading));
        let count = counts.entry(name.clone()).or_default();
        anchors.push(if *count == 0 { name } else { format!("{name}-{count}") });
        *count += 1;
    }
    anchors
}

/// The words of a heading, without where its links lead.
fn without_targets(heading: &str) -> String {
    let mut parts = heading.split("](");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |words, rest| words + rest.split_once(')').map_or(rest, |(_, after)| after))
}

/// Numbered lines, without those of code blocks. A block in a list is indented.
fn lines_outside_code(page: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    page.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        (!is_code && !is_fence).then_some((index + 1, line))
    })
}
