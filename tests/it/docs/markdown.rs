//! The parts of a Markdown page.

const MAX_LINE: usize = 118;

pub fn code(text: &str) -> String {
    format!("`{text}`")
}

/// Escapes what would end a cell of a table, or begin an HTML element.
pub fn escape(text: &str) -> String {
    let mut escaped = String::new();
    let mut is_code = false;
    for character in text.chars() {
        is_code ^= character == '`';
        if character == '|' || (character == '<' && !is_code) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Text that ends with a period, or with a colon before what follows.
pub fn sentence(text: &str) -> String {
    if text.ends_with(['.', ':']) { text.to_owned() } else { format!("{text}.") }
}

/// A paragraph with line breaks between words.
pub fn paragraph(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= MAX_LINE => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n") + "\n"
}

pub fn table<const N: usize>(
    heads: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = format!("| {} |\n| {} |\n", heads.join(" | "), ["---"; N].join(" | "));
    for cells in rows {
        table += &format!("| {} |\n", cells.join(" | "));
    }
    table
}

/// The anchor that hosts of Git repositories give to a heading.
pub fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn anchors_are_lower_case_without_punctuation() {
    let cases = [
        ("What clients do", "what-clients-do"),
        ("Run commands on the server's settings", "run-commands-on-the-servers-settings"),
        ("`grantor keys re-encrypt`", "grantor-keys-re-encrypt"),
        ("client.first_authorized", "clientfirst_authorized"),
    ];
    for (heading, expected) in cases {
        assert_eq!(anchor(heading), expected);
    }
}

#[test]
fn a_cell_keeps_code_and_escapes_pipes() {
    assert_eq!(escape("`<NAME|ID>` or <NAME>"), "`<NAME\\|ID>` or \\<NAME>");
}

#[test]
fn paragraphs_break_between_words() {
    let wrapped = paragraph(&"word ".repeat(50));

    assert_eq!(wrapped.lines().count(), 3);
    assert!(wrapped.lines().all(|line| line.starts_with("word") && line.len() <= MAX_LINE));
}
