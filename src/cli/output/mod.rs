//! Output of commands: JSON for scripts, tables and sentences that fit the terminal for people.

pub mod effect;
mod table;
mod words;

use std::io::{ErrorKind, Write as _};

use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};
use terminal_size::{Width, terminal_size};

use crate::cli::failure::Failure;
pub use crate::cli::output::table::{Column, Table};
pub use crate::cli::output::words::{
    capitalized, counted, escaped, facts, listed, quoted, wrapped,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Tables and sentences for people.
    Text,
    /// One JSON document for scripts.
    Json,
}

/// Prints one item as JSON, or as the text that describes it.
pub fn item(
    output: Output,
    value: &impl Serialize,
    text: impl FnOnce() -> String,
) -> Result<(), Failure> {
    match output {
        Output::Json => line(&serde_json::to_string_pretty(value).map_err(Failure::failed)?),
        Output::Text => line(&text()),
    }
}

/// Prints one item as JSON, or as sentences, each on a new line.
pub fn sentences(
    output: Output,
    value: &impl Serialize,
    text: impl FnOnce() -> Vec<String>,
) -> Result<(), Failure> {
    item(output, value, || {
        text().iter().map(|sentence| wrapped(sentence, width())).collect::<Vec<_>>().join("\n")
    })
}

/// Prints a list as JSON, or as a table whose columns are members of the items.
pub fn list<T: Serialize>(output: Output, items: &[T], columns: &[&str]) -> Result<(), Failure> {
    table(output, items, |rows| Table::of_members(rows, columns))
}

/// Prints a list as JSON, or as a table that the caller creates from the JSON items.
pub fn table<T: Serialize>(
    output: Output,
    items: &[T],
    table: impl FnOnce(&[Value]) -> Table,
) -> Result<(), Failure> {
    let rows = serde_json::to_value(items).map_err(Failure::failed)?;
    match output {
        Output::Json => line(&serde_json::to_string_pretty(&rows).map_err(Failure::failed)?),
        Output::Text => line(&table(rows.as_array().map_or(&[], Vec::as_slice)).fitted(width())),
    }
}

/// The first items of a list, and whether there are more. One more row than `limit` is read to find
/// out.
pub struct Page<T> {
    pub items: Vec<T>,
    pub limit: u32,
    pub has_more: bool,
}

impl<T> Page<T> {
    /// Number of rows to read for a page of `limit` items.
    pub const fn rows_to_read(limit: u32) -> u32 {
        limit.saturating_add(1)
    }

    pub fn of(mut items: Vec<T>, limit: u32) -> Self {
        let max = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = items.len() > max;
        items.truncate(max);
        Self { items, limit, has_more }
    }

    /// Converts the items.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(convert).collect(),
            limit: self.limit,
            has_more: self.has_more,
        }
    }

    /// Prints a note if there are more items, on standard error, so that standard output stays one
    /// document.
    pub fn note_if_more(&self, output: Output) {
        if self.has_more {
            let limit = self.limit;
            note(
                output,
                &format!(
                    "There is more: only the first {limit} are shown. Raise --limit to see the rest."
                ),
            );
        }
    }
}

/// Prints a note on standard error.
pub fn note(output: Output, text: &str) {
    match output {
        Output::Text => eprintln!("{}", wrapped(text, width())),
        Output::Json => eprintln!("{}", json!({"note": text})),
    }
}

/// Prints the message of a failure on standard error.
pub fn error(output: Output, text: &str) {
    match output {
        Output::Text => eprintln!("{text}"),
        Output::Json => eprintln!("{}", json!({"error": text})),
    }
}

/// Prints a line. A closed pipe, such as that of `head`, is not a failure; `println!` would panic.
pub fn line(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{}", text.trim_end_matches('\n')).and_then(|()| stdout.flush()) {
        Err(cause) if cause.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => Ok(outcome?),
    }
}

/// Width of the terminal in columns, or 100 if standard output is not a terminal.
pub fn width() -> usize {
    const WITHOUT_TERMINAL: usize = 100;
    const MIN_WIDTH: usize = 40;
    terminal_size()
        .map_or(WITHOUT_TERMINAL, |(Width(columns), _)| usize::from(columns).max(MIN_WIDTH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_knows_whether_there_is_more() {
        for (rows, limit, shown, has_more) in
            [(0, 2, 0, false), (2, 2, 2, false), (3, 2, 2, true), (1, 0, 0, true)]
        {
            let page = Page::of((0..rows).collect(), limit);

            assert_eq!(
                (page.items.len(), page.has_more),
                (shown, has_more),
                "{rows} rows, limit {limit}"
            );
        }
        assert_eq!(
            (Page::<()>::rows_to_read(100), Page::<()>::rows_to_read(u32::MAX)),
            (101, u32::MAX)
        );
    }
}
