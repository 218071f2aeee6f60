//! Sentences: plural forms, lists, quoted names, and lines that fit the terminal.

use unicode_width::UnicodeWidthStr as _;

/// A count with its noun: `1 grant`, `2 grants`, `no grants`.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    match count {
        0 => format!("no {many}"),
        1 => format!("1 {one}"),
        _ => format!("{count} {many}"),
    }
}

/// Capitalizes the first letter.
pub fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// Lists at most `max` items: `a, b and 2 more`.
pub fn listed<T: AsRef<str>>(items: impl IntoIterator<Item = T>, max: usize) -> String {
    let items: Vec<T> = items.into_iter().collect();
    let mut text = items.iter().take(max).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if items.len() > max {
        text.push_str(&format!(" and {} more", items.len() - max));
    }
    text
}

/// Quotes, escapes and shortens a name that anyone can choose, so that it cannot break a line,
/// control the terminal, or be mistaken for the text around it.
pub fn quoted(name: &str) -> String {
    const MAX_CHARACTERS: usize = 60;
    let shown: String = name.chars().take(MAX_CHARACTERS).collect();
    let cut = if shown.len() < name.len() { "…" } else { "" };
    format!("\"{}{cut}\"", escaped(&shown).replace('"', "\\\""))
}

/// Escapes a text to one line without control sequences.
pub fn escaped(text: &str) -> String {
    text.escape_debug().to_string().replace("\\'", "'").replace("\\\"", "\"")
}

/// Breaks lines at spaces. Words longer than a line, such as URLs, stay whole. All lines keep the
/// indentation of the first.
pub fn wrapped(text: &str, width: usize) -> String {
    text.split('\n').map(|line| wrapped_line(line, width)).collect::<Vec<_>>().join("\n")
}

fn wrapped_line(line: &str, width: usize) -> String {
    let indent = &line[..line.len() - line.trim_start_matches(' ').len()];
    broken(line.split_whitespace(), width.saturating_sub(indent.len()))
        .into_iter()
        .map(|line| format!("{indent}{line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn broken<'a>(words: impl Iterator<Item = &'a str>, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words {
        let fits = |line: &String| line.is_empty() || line.width() + 1 + word.width() <= width;
        match lines.last_mut().filter(|line| fits(line)) {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Formats labels and values in two columns. Values are wrapped within their column.
pub fn facts<L: AsRef<str>>(facts: &[(L, String)], width: usize) -> String {
    let column = facts.iter().map(|(label, _)| label.as_ref().width()).max().unwrap_or(0) + 2;
    let lines = facts.iter().flat_map(|(label, value)| {
        let mut label = label.as_ref();
        let lines = value
            .split('\n')
            .flat_map(|line| broken(line.split_whitespace(), width.saturating_sub(column)));
        lines
            .map(|line| format!("{}{line}", padded(std::mem::take(&mut label), column)))
            .collect::<Vec<_>>()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Pads a text with spaces to a width in terminal columns, which can differ from the number of
/// characters.
pub fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_has_its_plural() {
        let texts = [0, 1, 2, 1_000].map(|count| counted(count, "person", "people"));

        assert_eq!(texts, ["no people", "1 person", "2 people", "1000 people"]);
        assert_eq!(["no grants were", ""].map(capitalized), ["No grants were", ""]);
    }

    #[test]
    fn a_list_counts_the_items_that_it_omits() {
        assert_eq!(listed(["a", "b"], 2), "a, b");
        assert_eq!(listed(["a", "b", "c", "d"], 2), "a, b and 2 more");
        assert_eq!(listed([""; 0], 2), "");
    }

    #[test]
    fn a_hostile_name_stays_inside_its_quotation_marks_on_one_line() {
        let cases = [
            ("Claude Code", "\"Claude Code\"".to_owned()),
            ("Bob's \"tool\"", "\"Bob's \\\"tool\\\"\"".to_owned()),
            ("a\nb\u{1b}[31m\u{202e}", "\"a\\nb\\u{1b}[31m\\u{202e}\"".to_owned()),
            ("back\\slash", "\"back\\\\slash\"".to_owned()),
        ];
        for (name, expected) in cases {
            assert_eq!(quoted(name), expected);
        }
        assert_eq!(quoted(&"x".repeat(61)), format!("\"{}…\"", "x".repeat(60)));
    }

    #[test]
    fn lines_break_at_spaces_and_a_long_word_stays_whole() {
        assert_eq!(wrapped("one two three", 8), "one two\nthree");
        assert_eq!(
            wrapped("  see https://example.com/a/long/path now", 12),
            "  see\n  https://example.com/a/long/path\n  now"
        );
        assert_eq!(wrapped("one\n\ntwo", 80), "one\n\ntwo");
        assert_eq!(wrapped("日本 語", 5), "日本\n語");
    }

    #[test]
    fn facts_are_formatted_in_two_columns() {
        let shown = facts(&[("Name", "a b c".to_owned()), ("Redirects", "d\ne".to_owned())], 14);

        assert_eq!(shown, "Name       a b\n           c\nRedirects  d\n           e");
    }
}
