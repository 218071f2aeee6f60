//! What a reviewer sees of a submitted version: how it differs from the published one, and what to
//! look at.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::client::version::Snapshot;
use crate::syntax::uri::Uri;

/// A member that differs from the published version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Difference<'a> {
    List {
        member: &'static str,
        /// `None` if nothing is published yet.
        before: Option<Vec<&'a str>>,
        after: Vec<&'a str>,
        added: Vec<&'a str>,
        removed: Vec<&'a str>,
    },
    Text {
        member: &'static str,
        before: Option<&'a str>,
        after: &'a str,
    },
}

impl Difference<'_> {
    /// Whether the version can do more than the published one: it gets scopes, or sends people and
    /// codes to other addresses.
    pub fn gives_more_access(&self) -> bool {
        match self {
            Self::List { added, .. } => !added.is_empty(),
            Self::Text { member, .. } => *member == "onboarding_url",
        }
    }
}

/// The members that differ, those that can give more access first.
pub fn differences<'a>(before: Option<&'a Snapshot>, after: &'a Snapshot) -> Vec<Difference<'a>> {
    let scopes = |snapshot: &'a Snapshot| snapshot.scopes.names().collect::<Vec<_>>();
    let uris = |snapshot: &'a Snapshot| {
        snapshot.redirect_uris.iter().map(String::as_str).collect::<Vec<_>>()
    };
    let text = |member, of: fn(&'a Snapshot) -> &'a str| {
        let (before, after) = (before.map(of), of(after));
        (before != Some(after)).then_some(Difference::Text { member, before, after })
    };
    [
        list("scopes", before.map(scopes), scopes(after)),
        list("redirect_uris", before.map(uris), uris(after)),
        text("onboarding_url", |snapshot| &snapshot.onboarding_url),
        text("name", |snapshot| &snapshot.name),
        text("description", |snapshot| &snapshot.description),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn list<'a>(
    member: &'static str,
    before: Option<Vec<&'a str>>,
    after: Vec<&'a str>,
) -> Option<Difference<'a>> {
    let known = before.as_deref().unwrap_or_default();
    let added: Vec<&str> = after.iter().copied().filter(|item| !known.contains(item)).collect();
    let removed: Vec<&str> = known.iter().copied().filter(|item| !after.contains(item)).collect();
    let is_same = before.is_some() && added.is_empty() && removed.is_empty();
    (!is_same).then_some(Difference::List { member, before, after, added, removed })
}

/// What the server knows about a submission besides the version itself.
#[derive(Clone, Copy, Debug)]
pub struct ReviewFacts<'a> {
    pub snapshot: &'a Snapshot,
    /// Why the client needs each private scope.
    pub scope_reasons: &'a BTreeMap<String, String>,
    /// The name of a published client of another pair that looks like this one.
    pub resembles: Option<&'a str>,
    pub is_first_of_partner: bool,
}

/// Each is one sentence.
pub fn warnings(facts: ReviewFacts<'_>) -> Vec<String> {
    let ReviewFacts { snapshot, scope_reasons, resembles, is_first_of_partner } = facts;
    let mut warnings = Vec::new();
    let onboarding = host(&snapshot.onboarding_url);
    let redirects = snapshot.redirect_uris.first().and_then(|uri| host(uri));
    if let (Some(onboarding), Some(redirects)) = (onboarding, redirects)
        && onboarding != redirects
    {
        warnings
            .push(format!("people begin at {onboarding}, but their access is sent to {redirects}"));
    }
    if let Some(name) = resembles {
        warnings.push(format!("the name looks like that of the published client \"{name}\""));
    }
    for (scope, reason) in scope_reasons {
        if snapshot.scopes.contains(scope) {
            warnings.push(format!("{scope} is a private scope. Reason: {reason}"));
        }
    }
    if is_first_of_partner {
        warnings.push("this is the first submission of this partner".to_owned());
    }
    warnings
}

fn host(url: &str) -> Option<String> {
    let uri = Uri::parse(url).ok()?;
    uri.host().ok().map(|host| host.text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::client::version::tests::snapshot;
    use crate::scope::ScopeSet;

    #[test]
    fn only_members_that_differ_are_listed_with_what_was_added_and_removed() {
        let before = snapshot();
        assert_eq!(differences(Some(&before), &before), []);
        let after = Snapshot {
            redirect_uris: vec![
                "https://pager.example/cb".to_owned(),
                "https://pager.example/new".to_owned(),
            ],
            scopes: ScopeSet::parse("mcp_write").expect("scopes"),
            name: "Pager 2".to_owned(),
            ..snapshot()
        };
        let found = differences(Some(&before), &after);
        assert_eq!(
            json!(found),
            json!([
                {
                    "member": "scopes",
                    "before": ["mcp_read"],
                    "after": ["mcp_write"],
                    "added": ["mcp_write"],
                    "removed": ["mcp_read"],
                },
                {
                    "member": "redirect_uris",
                    "before": ["https://pager.example/cb"],
                    "after": ["https://pager.example/cb", "https://pager.example/new"],
                    "added": ["https://pager.example/new"],
                    "removed": [],
                },
                {"member": "name", "before": "Pager", "after": "Pager 2"},
            ])
        );
        let more: Vec<bool> = found.iter().map(Difference::gives_more_access).collect();
        assert_eq!(more, [true, true, false]);
    }

    #[test]
    fn fewer_scopes_and_another_order_give_no_more_access() {
        let mut before = snapshot();
        before.redirect_uris.push("https://pager.example/b".to_owned());
        before.scopes = ScopeSet::parse("mcp_read mcp_write").expect("scopes");
        let mut after = before.clone();
        after.redirect_uris.reverse();
        after.scopes = snapshot().scopes;
        let found = differences(Some(&before), &after);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(!found.iter().any(Difference::gives_more_access));
        let moved = Snapshot { onboarding_url: "https://other.example".to_owned(), ..snapshot() };
        let unmoved = snapshot();
        assert!(differences(Some(&unmoved), &moved).iter().all(Difference::gives_more_access));
    }

    #[test]
    fn the_first_version_differs_from_nothing_in_every_member() {
        let after = snapshot();
        let found = json!(differences(None, &after));
        let members = found.as_array().expect("a list");
        assert_eq!(members.len(), 5);
        assert!(members.iter().all(|member| member["before"].is_null()), "{found}");
    }

    #[test]
    fn warnings_name_what_a_reviewer_should_look_at() {
        let reasons = BTreeMap::from([
            ("api_keys_write".to_owned(), "It sends metrics.".to_owned()),
            ("not_requested".to_owned(), "No.".to_owned()),
        ]);
        let harmless = snapshot();
        let facts = ReviewFacts {
            snapshot: &harmless,
            scope_reasons: &reasons,
            resembles: None,
            is_first_of_partner: false,
        };
        assert_eq!(warnings(facts), Vec::<String>::new());
        let elsewhere = Snapshot {
            onboarding_url: "https://www.pager.example/start".to_owned(),
            scopes: ScopeSet::parse("api_keys_write").expect("scopes"),
            ..snapshot()
        };
        let facts = ReviewFacts {
            snapshot: &elsewhere,
            resembles: Some("Pagger"),
            is_first_of_partner: true,
            ..facts
        };
        assert_eq!(
            warnings(facts),
            [
                "people begin at www.pager.example, but their access is sent to pager.example",
                "the name looks like that of the published client \"Pagger\"",
                "api_keys_write is a private scope. Reason: It sends metrics.",
                "this is the first submission of this partner",
            ]
        );
    }
}
