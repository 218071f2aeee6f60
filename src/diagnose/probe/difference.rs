//! Describes the difference between two URLs that look the same to people but not to clients, which
//! compare issuers and resources exactly (RFC 8414 section 3.3, RFC 9728 section 3.3, RFC 9207
//! section 2.4).

/// Describes how `found` differs from `expected`; `None` if they are equal.
pub fn difference(expected: &str, found: &str) -> Option<String> {
    if expected == found {
        return None;
    }
    let (expected_parts, found_parts) = (Parts::of(expected), Parts::of(found));
    let named = if format!("{expected}/") == found {
        "it has an extra trailing slash".to_owned()
    } else if expected == format!("{found}/") {
        "it lacks the trailing slash".to_owned()
    } else if expected.eq_ignore_ascii_case(found) {
        "it differs in upper and lower case".to_owned()
    } else {
        expected_parts.differs_from(&found_parts)
    };
    Some(format!("{named}: expected \"{}\", found \"{}\"", escaped(expected), escaped(found)))
}

fn escaped(text: &str) -> String {
    text.chars().take(200).collect::<String>().escape_debug().to_string()
}

struct Parts<'a> {
    scheme: &'a str,
    host: &'a str,
    path: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        Self { scheme, host, path }
    }

    fn differs_from(&self, found: &Self) -> String {
        let mut differing = Vec::new();
        if !self.scheme.eq_ignore_ascii_case(found.scheme) {
            differing.push("scheme (http or https)");
        }
        if !self.host.eq_ignore_ascii_case(found.host) {
            differing.push("host or port");
        }
        if self.path.trim_end_matches('/') != found.path.trim_end_matches('/') {
            differing.push("path");
        }
        match differing.as_slice() {
            [] => "it differs in slashes or case".to_owned(),
            [part] => format!("its {part} differs"),
            parts => format!("these parts differ: {}", parts.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_difference_is_named() {
        let ours = "https://auth.example";
        let cases = [
            ("https://auth.example/", "it has an extra trailing slash"),
            ("https://Auth.example", "it differs in upper and lower case"),
            ("https://auth.example/tenant", "its path differs"),
            ("http://auth.example", "its scheme (http or https) differs"),
            ("https://auth.example:8443", "its host or port differs"),
            (
                "http://other.example/x",
                "these parts differ: scheme (http or https), host or port, path",
            ),
            ("", "these parts differ: scheme (http or https), host or port"),
        ];
        for (found, named) in cases {
            let text = difference(ours, found).expect("differs");
            assert_eq!(text, format!("{named}: expected \"{ours}\", found \"{found}\""));
        }
        assert_eq!(difference(ours, ours), None);
        assert!(
            difference("https://a.example/", "https://a.example")
                .is_some_and(|text| text.contains("lacks"))
        );
    }
}
