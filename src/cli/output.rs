//! What a command prints: JSON for scripts, or columns for a person.

use std::io::{ErrorKind, Write as _};

use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

use super::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For scripts: one document.
    Json,
}

/// A result that is one thing: `text` says it to a person.
pub fn one(output: Output, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
    line(&match output {
        Output::Json => serde_json::to_string_pretty(value).map_err(Failure::failed)?,
        Output::Text => text(),
    })
}

/// A result that is a list of like things: a table whose columns are the members of each.
pub fn list<T: Serialize>(output: Output, items: &[T], columns: &[&str]) -> Result<(), Failure> {
    let rows = serde_json::to_value(items).map_err(Failure::failed)?;
    line(&match output {
        Output::Json => serde_json::to_string_pretty(&rows).map_err(Failure::failed)?,
        Output::Text => table(rows.as_array().map_or(&[], Vec::as_slice), columns),
    })
}

/// Prints text and ends its line. A reader that has seen enough, such as `head`, is no failure: `println!` would panic.
pub fn line(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{}", text.trim_end_matches('\n')).and_then(|()| stdout.flush()) {
        Err(cause) if cause.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => Ok(outcome?),
    }
}

fn table(rows: &[Value], columns: &[&str]) -> String {
    let heading = columns.iter().map(|column| column.replace('_', " ").to_uppercase()).collect();
    let body = rows.iter().map(|row| columns.iter().map(|column| cell(&row[column])).collect());
    let lines: Vec<Vec<String>> = std::iter::once(heading).chain(body).collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for line in &lines {
        let padded: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// One line, whatever a client called itself.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.escape_debug().to_string().replace("\\'", "'"),
        Value::Array(items) if items.is_empty() => "(none)".to_owned(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_has_its_columns_aligned_and_a_hostile_name_on_one_line() {
        let rows = [json!({"name": "a\nb", "seen_at": null}), json!({"name": "longer", "seen_at": ["x", "y"]})];

        assert_eq!(table(&rows, &["name", "seen_at"]), "NAME    SEEN AT\na\\nb    -\nlonger  x y\n");
    }
}
