//! The location of protected resource metadata: from the challenge (RFC 9728 section 5.1), or the
//! well-known path (section 3.1).

/// Returns a parameter of the `Bearer` challenge in `WWW-Authenticate` (RFC 9110 section 11.6.1).
pub fn parameter(header: &str, name: &str) -> Option<String> {
    let lower = header.to_ascii_lowercase();
    let begins = |at: &usize| {
        lower[..*at].chars().next_back().is_some_and(|before| before == ' ' || before == ',')
    };
    let assignment = format!("{name}=");
    let at = lower.match_indices(&assignment).map(|(at, _)| at).find(begins)?;
    let value = &header[at + assignment.len()..];
    Some(match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().unwrap_or_default().to_owned(),
        None => value.split([',', ' ']).next().unwrap_or_default().to_owned(),
    })
}

/// The well-known URLs in the order in which clients try them: with the path of the resource, then
/// at the root. A trailing slash belongs to the path, but some clients omit it.
pub fn well_known(resource: &str) -> Vec<String> {
    const PATH: &str = "/.well-known/oauth-protected-resource";
    let (scheme, rest) = resource.split_once("://").unwrap_or(("https", resource));
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let root = format!("{scheme}://{host}{PATH}");
    let mut all =
        [path, path.trim_end_matches('/'), ""].map(|path| format!("{root}{path}")).to_vec();
    if path == "/" {
        all.remove(0);
    }
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_contains_the_url_of_the_metadata() {
        let url = "https://mcp.example/.well-known/oauth-protected-resource/mcp";
        let cases = [
            (format!("Bearer resource_metadata=\"{url}\""), Some(url)),
            (format!("Bearer realm=\"x\", resource_metadata=\"{url}\", scope=\"a b\""), Some(url)),
            (format!("bearer error=\"invalid_token\",Resource_Metadata={url}"), Some(url)),
            ("Bearer realm=\"x\"".to_owned(), None),
            ("Bearer not_resource_metadata=\"x\"".to_owned(), None),
            ("Basic".to_owned(), None),
        ];
        for (header, expected) in cases {
            assert_eq!(parameter(&header, "resource_metadata").as_deref(), expected, "{header}");
        }
        assert_eq!(parameter("Bearer scope=\"a b\"", "scope").as_deref(), Some("a b"));
    }

    #[test]
    fn the_well_known_path_is_between_host_and_path() {
        let root = "https://mcp.example:8443/.well-known/oauth-protected-resource";
        assert_eq!(well_known("https://mcp.example:8443"), [root]);
        assert_eq!(well_known("https://mcp.example:8443/"), [root]);
        assert_eq!(
            well_known("https://mcp.example:8443/mcp"),
            [format!("{root}/mcp"), root.to_owned()]
        );
        let expected = [format!("{root}/a/mcp/"), format!("{root}/a/mcp"), root.to_owned()];
        assert_eq!(well_known("https://mcp.example:8443/a/mcp/?x=1"), expected);
    }
}
