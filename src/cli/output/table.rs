//! Tables that fit the terminal. Names and lists are shortened; IDs and addresses never are.

use serde_json::Value;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::cli::output::words::{escaped, padded, quoted};

const GAP: &str = "  ";
/// Minimum width of a shortened column.
const MIN_WIDTH: usize = 12;
/// Members whose columns may be shortened.
const SHORTENED: [&str; 8] =
    ["name", "org", "client", "scopes", "default_client_scopes", "url", "uri", "events"];

/// How a column adapts if the table is wider than the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Whole,
    Shortened,
    /// Moves to a new line and is never shortened.
    OwnLine,
}

#[derive(Clone, Debug)]
pub struct Column {
    heading: String,
    fit: Fit,
}

impl Column {
    /// A column that is never shortened, such as a time.
    pub fn whole(heading: &str) -> Self {
        Self { heading: heading.to_owned(), fit: Fit::Whole }
    }

    pub fn shortened(heading: &str) -> Self {
        Self { heading: heading.to_owned(), fit: Fit::Shortened }
    }

    /// A column that is never shortened. It moves below its row if the table is still too wide.
    pub fn id(heading: &str) -> Self {
        Self { heading: heading.to_owned(), fit: Fit::OwnLine }
    }

    fn of_member(member: &str) -> Self {
        let heading = member.replace('_', " ").to_uppercase();
        let fit = match member {
            _ if SHORTENED.contains(&member) => Fit::Shortened,
            _ => Fit::Whole,
        };
        Self { heading, fit }
    }
}

pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    /// Printed instead of an empty table; `None` prints the headings.
    if_empty: Option<String>,
}

impl Table {
    pub fn new(columns: Vec<Column>, if_empty: &str) -> Self {
        Self { columns, rows: Vec::new(), if_empty: Some(if_empty.to_owned()) }
    }

    /// Adds a row with one cell per column.
    pub fn add(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Creates a table whose columns are members of JSON objects.
    pub fn of_members(items: &[Value], members: &[&str]) -> Self {
        let columns = members.iter().map(|member| Column::of_member(member)).collect();
        let mut table = Self { columns, rows: Vec::new(), if_empty: None };
        for item in items {
            table.add(members.iter().map(|member| cell(member, &item[*member])).collect());
        }
        table
    }

    /// The text of the table, at most `width` wide if shortening makes that possible.
    pub fn fitted(&self, width: usize) -> String {
        if let (Some(text), true) = (&self.if_empty, self.rows.is_empty()) {
            return text.clone();
        }
        let all: Vec<usize> = (0..self.columns.len()).collect();
        let (in_row, own_line): (Vec<usize>, Vec<usize>) =
            all.iter().partition(|column| self.columns[**column].fit != Fit::OwnLine);
        match self.widths(&all, width) {
            widths if own_line.is_empty() || total(&widths) <= width => {
                self.text(&all, &widths, &[])
            }
            _ => self.text(&in_row, &self.widths(&in_row, width), &own_line),
        }
    }

    fn widths(&self, columns: &[usize], width: usize) -> Vec<usize> {
        let mut widths: Vec<usize> =
            columns.iter().map(|column| self.natural_width(*column)).collect();
        while total(&widths) > width {
            let shortened = columns.iter().zip(&mut widths);
            let widest = shortened
                .filter(|(column, width)| {
                    self.columns[**column].fit == Fit::Shortened && **width > MIN_WIDTH
                })
                .max_by_key(|(_, width)| **width);
            match widest {
                Some((_, width)) => *width -= 1,
                None => break,
            }
        }
        widths
    }

    fn natural_width(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| row[column].width());
        cells.chain([self.columns[column].heading.width()]).max().unwrap_or(0)
    }

    fn text(&self, columns: &[usize], widths: &[usize], own_line: &[usize]) -> String {
        let headings: Vec<String> =
            self.columns.iter().map(|column| column.heading.clone()).collect();
        let mut text = String::new();
        for row in std::iter::once(&headings).chain(&self.rows) {
            let cells = columns
                .iter()
                .zip(widths)
                .map(|(column, width)| padded(&cut(&row[*column], *width), *width));
            text.push_str(cells.collect::<Vec<_>>().join(GAP).trim_end());
            text.push('\n');
            for column in own_line {
                text.push_str(&format!("{GAP}{}\n", row[*column]));
            }
        }
        text
    }
}

fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1)
}

/// Shortens a text with an ellipsis. A name keeps its closing quotation mark, so that it cannot be
/// mistaken for the next column.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let end = if text.starts_with('"') { "…\"" } else { "…" };
    let mut left = width.saturating_sub(end.width());
    let fits = |character: &char| {
        let needed = character.width().unwrap_or(0);
        let fits = needed <= left;
        left = if fits { left - needed } else { 0 };
        fits
    };
    let kept: String = text.chars().take_while(fits).collect();
    format!("{kept}{end}")
}

fn cell(member: &str, value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(name) if member == "client" => quoted(name),
        Value::String(text) => escaped(text),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Array(items) if items.is_empty() => "(none)".to_owned(),
        Value::Array(items) => {
            items.iter().map(|item| cell(member, item)).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "72b68208-36a6-11f0-b21b-da7ad0900002";

    fn apps() -> Table {
        let columns = vec![Column::shortened("NAME"), Column::whole("PEOPLE"), Column::id("ID")];
        let mut table = Table::new(columns, "no apps");
        table.add(vec!["\"A name that is long\"".to_owned(), "2".to_owned(), ID.to_owned()]);
        table
    }

    #[test]
    fn columns_are_aligned_and_a_hostile_name_stays_on_one_line() {
        let rows = [
            json!({"name": "a\nb", "seen_at": null}),
            json!({"name": "longer", "seen_at": ["x", "y"]}),
        ];

        let text = Table::of_members(&rows, &["name", "seen_at"]).fitted(80);

        assert_eq!(text, "NAME    SEEN AT\na\\nb    -\nlonger  x y\n");
    }

    #[test]
    fn names_are_shortened_first_and_keep_their_quotation_marks() {
        let text = apps().fitted(60);

        assert_eq!(text, format!("NAME            PEOPLE  ID\n\"A name that…\"  2       {ID}\n"));
    }

    #[test]
    fn an_id_is_never_shortened_and_moves_below_its_row() {
        let text = apps().fitted(40);

        assert_eq!(
            text,
            format!("NAME                   PEOPLE\n  ID\n\"A name that is long\"  2\n  {ID}\n")
        );
    }

    #[test]
    fn an_empty_list_prints_its_text() {
        assert_eq!(Table::new(vec![Column::id("ID")], "no apps").fitted(80), "no apps");
    }

    #[test]
    fn wide_characters_count_for_two_columns() {
        let mut table = Table::new(vec![Column::shortened("NAME"), Column::whole("N")], "");
        table.add(vec!["日本語日本語日本語".to_owned(), "1".to_owned()]);

        assert_eq!(table.fitted(15), "NAME          N\n日本語日本…   1\n");
    }
}
