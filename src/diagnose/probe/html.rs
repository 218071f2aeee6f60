//! Extracts the title of an HTML page, to name a page that a proxy or firewall returns.

const MAX_TITLE: usize = 160;

/// The title of a page, or else its first heading, on one line.
pub fn title(html: &str) -> Option<String> {
    let lower = html.to_ascii_lowercase();
    ["title", "h1", "h2", "h3"].into_iter().find_map(|name| {
        let text = without_tags(element(html, &lower, name)?);
        let words = unescaped(&text).split_whitespace().collect::<Vec<_>>().join(" ");
        let title: String = words.chars().take(MAX_TITLE).collect();
        (!title.is_empty()).then_some(title)
    })
}

/// Whether a response is an HTML page, judged by its content type or its beginning.
pub fn is_page(kind: &str, body: &str) -> bool {
    let beginning = body.trim_start().get(..14).unwrap_or_default().to_ascii_lowercase();
    kind.to_ascii_lowercase().starts_with("text/html")
        || beginning == "<!doctype html"
        || beginning.starts_with("<html")
}

/// The content of the first element with this name. `lower` is the page in lower case.
fn element<'a>(html: &'a str, lower: &str, name: &str) -> Option<&'a str> {
    let begin = format!("<{name}");
    let is_whole = |at: &usize| {
        lower[at + begin.len()..].starts_with(|next: char| next == '>' || next.is_whitespace())
    };
    let at = lower.match_indices(&begin).map(|(at, _)| at).find(is_whole)?;
    let inside = at + lower[at..].find('>')? + 1;
    let length = lower[inside..].find(&format!("</{name}"))?;
    html.get(inside..inside + length)
}

fn without_tags(html: &str) -> String {
    let mut parts = html.split('<');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.filter_map(|part| part.split_once('>')).fold(first, |text, (_, after)| text + " " + after)
}

pub fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        match after.split_once(';').and_then(|(name, rest)| Some((character(name)?, rest))) {
            Some((character, after)) => {
                plain.push(character);
                rest = after;
            }
            None => {
                plain.push('&');
                rest = after;
            }
        }
    }
    plain + rest
}

fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            code.ok().and_then(char::from_u32)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_page_is_named_by_its_title_or_its_first_heading() {
        let long = format!("<title>{}</title>", "x".repeat(500));
        let cases = [
            (
                "<!DOCTYPE html>\n<html lang=\"en\"><head><title>Access\n denied</title>",
                Some("Access denied"),
            ),
            ("<TITLE lang=en>A &amp; B</TITLE><h1>C</h1>", Some("A & B")),
            (
                "<title> </title><h1 class=\"x\"><span>You are</span> <b>blocked</b></h1>",
                Some("You are blocked"),
            ),
            ("<titled>x</titled><h2>No</h2>", Some("No")),
            ("<html><body><p>x</p></body>", None),
            ("<title>never ends", None),
            ("<title", None),
            (long.as_str(), Some(&long[7..167])),
        ];
        for (html, expected) in cases {
            assert_eq!(title(html).as_deref(), expected, "{html}");
        }
    }

    #[test]
    fn a_page_is_recognized_by_its_content_type_or_its_beginning() {
        assert!(is_page("text/html; charset=utf-8", "") && is_page("", " <!DOCTYPE HTML><p>"));
        assert!(is_page("text/plain", "<html lang=\"en\">"));
        assert!(!is_page("application/json", "{\"a\": \"<html>\"}") && !is_page("", "<xml>"));
    }

    proptest! {
        #[test]
        fn no_page_panics(html in "(<title|<h1|>|</title|&|;|#x|ä|İ|\\PC){0,20}") {
            let _ = (title(&html), is_page("", &html));
        }
    }
}
