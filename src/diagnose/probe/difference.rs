//! In what two strings differ that mean the same server to a person, but not to a client: issuers and resources are
//! compared character for character (RFC 8414 section 3.3, RFC 9728 section 3.3, RFC 9207 section 2.4).

/// What tells `found` from `expected`, likeliest first; none where they are equal.
pub fn difference(expected: &str, found: &str) -> Option<String> {
    if expected == found {
        return None;
    }
    let (expected_parts, found_parts) = (Parts::of(expected), Parts::of(found));
    let named = if format!("{expected}/") == found {
        "it ends with a slash too much".to_owned()
    } else if expected == format!("{found}/") {
        "it lacks the slash at the end".to_owned()
    } else if expected.eq_ignore_ascii_case(found) {
        "it has letters in another case".to_owned()
    } else {
        expected_parts.differs_from(&found_parts)
    };
    Some(format!("{named}: \"{}\" is expected, \"{}\" is there", shown(expected), shown(found)))
}

fn shown(text: &str) -> String {
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
            parts => format!("it has another {}", parts.join(", and another ")),
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
            ("https://auth.example/", "it ends with a slash too much"),
            ("https://Auth.example", "it has letters in another case"),
            ("https://auth.example/tenant", "it has another path"),
            ("http://auth.example", "it has another scheme (http or https)"),
            ("https://auth.example:8443", "it has another host or port"),
            (
                "http://other.example/x",
                "it has another scheme (http or https), and another host or port, and another path",
            ),
            ("", "it has another scheme (http or https), and another host or port"),
        ];
        for (found, named) in cases {
            let told = difference(ours, found).expect("differs");
            assert_eq!(told, format!("{named}: \"{ours}\" is expected, \"{found}\" is there"));
        }
        assert_eq!(difference(ours, ours), None);
        assert!(difference("https://a.example/", "https://a.example").is_some_and(|told| told.contains("lacks")));
    }
}
