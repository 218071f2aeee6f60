//! `cli.md` and the pages in `cli`: every command, from its own `--help`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Page, compare, has_no_other_page};
use crate::docs::markdown::{anchor, code, escape, paragraph, sentence, table};
use crate::support::Program;

/// The pages with their titles and commands.
const PAGES: [(&str, &str, &[&str]); 6] = [
    (
        "cli/server.md",
        "Commands: run and diagnose the server",
        &[
            "serve",
            "migrate",
            "config",
            "keys",
            "backup",
            "restore",
            "healthcheck",
            "selftest",
            "doctor",
            "demo",
            "openapi",
        ],
    ),
    (
        "cli/organizations.md",
        "Commands: organizations, users and API keys",
        &["bootstrap", "org", "user", "invite", "key"],
    ),
    (
        "cli/apps.md",
        "Commands: apps and resources",
        &["client", "restriction", "grant", "resource"],
    ),
    ("cli/own-apps.md", "Commands: your organization's own apps", &["app"]),
    ("cli/partners.md", "Commands: partners and reviews", &["partner", "review", "reviewer"]),
    ("cli/events.md", "Commands: webhooks and audit", &["webhook", "audit"]),
];

const INDEX: &str = "\
# Command line

This page is generated from `grantor --help` and the help of each command.

Without a command, `grantor` runs the server. Commands read the same [settings](settings.md) as the server:
[Settings](../operate/settings.md) shows how to run them beside it.
";

const INTRODUCTION: &str = "\
This page is generated from the help of each command. [Command line](../cli.md) lists all commands and the common
options.
";

struct Command {
    /// Without the name of the program.
    path: Vec<String>,
    help: Help,
}

impl Command {
    fn name(&self) -> String {
        format!("grantor {}", self.path.join(" "))
    }

    /// Whether it does something, rather than have commands of its own.
    fn is_leaf(&self) -> bool {
        self.help.commands.is_empty()
    }
}

/// What `--help` prints.
struct Help {
    about: String,
    usage: String,
    commands: Vec<String>,
    /// Arguments, then options, with their meanings.
    arguments: Vec<(String, String)>,
    ending: String,
}

#[test]
fn the_pages_show_the_help_of_every_command() {
    let program = Program::on_the_default_file();
    let root = help(&program, &[]);
    let everywhere: BTreeSet<&str> = root.arguments.iter().map(|(name, _)| name.as_str()).collect();
    let known: BTreeSet<&str> =
        PAGES.iter().flat_map(|(_, _, commands)| *commands).copied().collect();
    let commands: BTreeSet<&str> = root.commands.iter().map(String::as_str).collect();
    assert_eq!(known, commands, "each command is on one of the PAGES");

    let mut pages = Vec::new();
    let mut rows = Vec::new();
    for (path, title, names) in PAGES {
        let mut commands = Vec::new();
        for name in names {
            collect(&program, vec![(*name).to_owned()], &mut commands);
        }
        let sections: Vec<String> =
            commands.iter().map(|command| section(command, &everywhere)).collect();
        rows.extend(commands.iter().filter(|command| command.is_leaf()).map(|command| {
            let name = command.name();
            [format!("[{}]({path}#{})", code(&name), anchor(&name)), escape(&command.help.about)]
        }));
        pages
            .push(Page::new(path, format!("# {title}\n\n{INTRODUCTION}\n{}", sections.join("\n"))));
    }
    pages.push(Page::new("cli.md", index(&root, rows)));
    compare(&pages);
    has_no_other_page("cli", &pages);
}

fn index(root: &Help, commands: Vec<[String; 2]>) -> String {
    let options = root.arguments.iter().map(argument);
    format!(
        "{INDEX}\n## Common options\n\n{}\n{}\n## Commands\n\n{}",
        table(["option", "meaning"], options),
        paragraph(&escape(&root.ending)),
        table(["command", "what it does"], commands)
    )
}

fn section(command: &Command, everywhere: &BTreeSet<&str>) -> String {
    let marks = if command.path.len() == 1 { "##" } else { "###" };
    let mut section =
        format!("{marks} {}\n\n{}", command.name(), paragraph(&escape(&command.help.about)));
    if command.is_leaf() {
        section += &format!("\n```text\n{}\n```\n", command.help.usage);
    }
    let own: Vec<_> = command
        .help
        .arguments
        .iter()
        .filter(|(name, _)| !everywhere.contains(name.as_str()))
        .map(argument)
        .collect();
    if !own.is_empty() {
        section += &format!("\n{}", table(["argument", "meaning"], own));
    }
    section
}

fn argument((name, meaning): &(String, String)) -> [String; 2] {
    [escape(&code(name)), escape(meaning)]
}

fn collect(program: &Program, path: Vec<String>, found: &mut Vec<Command>) {
    let help = help(program, &path);
    let below: Vec<Vec<String>> =
        help.commands.iter().map(|name| path.iter().chain([name]).cloned().collect()).collect();
    found.push(Command { path, help });
    for path in below {
        collect(program, path, found);
    }
}

fn help(program: &Program, path: &[String]) -> Help {
    let printed = program.run(path.iter().map(String::as_str).chain(["--help"]));
    let (about, rest) = printed.succeeded().split_once("\nUsage: ").expect("a usage");
    let (usage, rest) = rest.split_once("\n\n").expect("options");
    let parts = parts(rest);
    let part = |heading: &str| parts.get(heading).map(Vec::as_slice).unwrap_or_default();
    let commands = entries(part("Commands:"), 2).into_iter();
    let names = commands.filter_map(|(line, _)| line.split(' ').next().map(str::to_owned));
    let arguments =
        [part("Arguments:"), part("Options:")].into_iter().flat_map(|lines| entries(lines, 6));
    Help {
        about: sentences(about.lines()),
        usage: usage.to_owned(),
        commands: names.filter(|name| name != "help").collect(),
        arguments: arguments.map(|(name, lines)| (name.to_owned(), meaning(&lines))).collect(),
        ending: sentences(part("").iter().copied()),
    }
}

/// The lines below each heading. What comes after the options has none.
fn parts(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut parts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut heading = "";
    for line in text.lines() {
        let is_indented = line.is_empty() || line.starts_with(' ');
        if !is_indented && line.ends_with(':') {
            heading = line;
            continue;
        }
        if !is_indented {
            heading = "";
        }
        parts.entry(heading).or_default().push(line);
    }
    parts
}

/// Each command, argument or option with the lines below it, which are indented further than `indent`.
fn entries<'a>(lines: &[&'a str], indent: usize) -> Vec<(&'a str, Vec<&'a str>)> {
    let mut entries: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in lines {
        let words = line.trim();
        let is_first = !words.is_empty() && line.len() - line.trim_start().len() <= indent;
        match entries.last_mut() {
            Some((_, below)) if !is_first => below.push(words),
            _ if is_first => entries.push((words, Vec::new())),
            _ => {}
        }
    }
    entries
}

fn meaning(lines: &[&str]) -> String {
    let lines = lines.iter().flat_map(|line| {
        let note = line.strip_prefix('[').and_then(|line| line.strip_suffix(']'));
        match (note.and_then(|note| note.split_once(": ")), line.strip_prefix("- ")) {
            (Some(("env", variable)), _) => {
                vec![String::new(), format!("Environment variable: `{variable}`")]
            }
            (Some(("default", value)), _) => vec![String::new(), format!("Default: `{value}`")],
            (_, Some(item)) => vec![String::new(), item.to_owned()],
            _ => vec![(*line).to_owned()],
        }
    });
    let lines: Vec<String> = lines.collect();
    sentences(lines.iter().map(String::as_str))
}

/// Paragraphs on one line. The last period of each is missing in the help.
fn sentences<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let lines: Vec<&str> = lines.map(str::trim).collect();
    let paragraphs = lines.split(|line| line.is_empty()).filter(|paragraph| !paragraph.is_empty());
    paragraphs.map(|paragraph| sentence(&paragraph.join(" "))).collect::<Vec<_>>().join(" ")
}
