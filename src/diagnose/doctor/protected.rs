//! Where the metadata of a protected resource stands: what a challenge says (RFC 9728 section 5.1), and where it stands
//! when nobody says so (section 3.1).

/// A parameter of the `Bearer` challenge in `WWW-Authenticate` (RFC 9110 section 11.6.1).
pub fn parameter(header: &str, name: &str) -> Option<String> {
    let lower = header.to_ascii_lowercase();
    let begins = |at: &usize| lower[..*at].chars().next_back().is_some_and(|before| before == ' ' || before == ',');
    let assignment = format!("{name}=");
    let at = lower.match_indices(&assignment).map(|(at, _)| at).find(begins)?;
    let value = &header[at + assignment.len()..];
    Some(match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().unwrap_or_default().to_owned(),
        None => value.split([',', ' ']).next().unwrap_or_default().to_owned(),
    })
}

/// Between host and path, and then at the root, in the order in which clients try. A slash at the end of the path belongs
/// to it, and some clients leave it out.
pub fn well_known(resource: &str) -> Vec<String> {
    const PATH: &str = "/.well-known/oauth-protected-resource";
    let (scheme, rest) = resource.split_once("://").unwrap_or(("https", resource));
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let root = format!("{scheme}://{host}{PATH}");
    let mut all = [path, path.trim_end_matches('/'), ""].map(|path| format!("{root}{path}")).to_vec();
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
    fn a_challenge_says_where_the_metadata_stands() {
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
    fn the_well_known_path_stands_between_host_and_path() {
        let root = "https://mcp.example:8443/.well-known/oauth-protected-resource";
        assert_eq!(well_known("https://mcp.example:8443"), [root]);
        assert_eq!(well_known("https://mcp.example:8443/"), [root]);
        assert_eq!(well_known("https://mcp.example:8443/mcp"), [format!("{root}/mcp"), root.to_owned()]);
        let expected = [format!("{root}/a/mcp/"), format!("{root}/a/mcp"), root.to_owned()];
        assert_eq!(well_known("https://mcp.example:8443/a/mcp/?x=1"), expected);
    }
}
