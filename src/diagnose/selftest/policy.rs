//! What a proxy may do to the headers of the consent page, with which people can no longer approve, or approve what they
//! do not see.

use crate::diagnose::probe::shown;
use crate::diagnose::selftest::browser::Page;
use crate::diagnose::selftest::report::{Trouble, wrong};

const CHROME: &str = "people at Chrome and its kin, where nothing happens when they approve";
const PEOPLE: &str = "people, whom another page can make approve what they do not see (clickjacking)";

pub fn check(page: &Page) -> Result<(), Trouble> {
    // Browsers hold every redirect that follows a form to it, also the one to the client.
    if let Some(sources) = values_of(page, "form-action").next() {
        let said = format!(
            "the Content-Security-Policy of the consent page has form-action {}, which something in front of this server \
             adds: leave form-action out there, since it holds for the redirect to the client too",
            shown(&sources.chars().take(100).collect::<String>()),
        );
        return Err(wrong(said, CHROME));
    }
    match forbids_framing(page) {
        true => Ok(()),
        false => {
            let said = "the consent page may be shown in a frame: something in front of this server takes frame-ancestors \
                        'none' out of its Content-Security-Policy, or X-Frame-Options away; let both pass as they come";
            Err(wrong(said, PEOPLE))
        }
    }
}

/// By any of the policies, for all of them hold; browsers look at `X-Frame-Options` only where none names ancestors.
fn forbids_framing(page: &Page) -> bool {
    let mut ancestors = values_of(page, "frame-ancestors").peekable();
    if ancestors.peek().is_some() {
        return ancestors.any(|sources| is_one_of(&sources, &["'none'", "'self'", ""]));
    }
    let mut options = page.frame_options.iter().flat_map(|line| line.split(',')).peekable();
    options.peek().is_some() && options.all(|option| is_one_of(option.trim(), &["deny", "sameorigin"]))
}

fn is_one_of(text: &str, known: &[&str]) -> bool {
    known.iter().any(|known| known.eq_ignore_ascii_case(text))
}

/// What each policy says of a directive; of two in one policy the first counts (Content Security Policy 3, section 2.2.1).
fn values_of(page: &Page, directive: &str) -> impl Iterator<Item = String> {
    let policies = page.policies.iter().flat_map(|line| line.split(','));
    policies.filter_map(move |policy| {
        let mut named = policy.split(';').map(str::trim).filter_map(|one| {
            let (name, value) = one.split_once(char::is_whitespace).unwrap_or((one, ""));
            name.eq_ignore_ascii_case(directive).then(|| value.trim().to_owned())
        });
        named.next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::selftest::report::Trouble;

    fn said_of(policies: &[&str], frame_options: &[&str]) -> Option<String> {
        let own = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        let page = Page { html: String::new(), policies: own(policies), frame_options: own(frame_options) };
        match check(&page) {
            Ok(()) => None,
            Err(Trouble::Wrong(fault)) => Some(fault.said),
            Err(Trouble::NotTried) => panic!("it can be tried"),
        }
    }

    #[test]
    fn a_form_action_is_found_in_every_policy() {
        let ours = "default-src 'none'; frame-ancestors 'none'";
        let added = format!("{ours}; form-action 'self'");
        let listed = format!("{ours}, FORM-ACTION 'self' https://x.example");
        for policies in [&[added.as_str()][..], &[ours, "form-action 'self'"], &[&listed], &[ours, "form-action"]] {
            let said = said_of(policies, &["DENY"]).expect("is wrong");
            assert!(said.contains("has form-action"), "{policies:?}: {said}");
        }
        assert_eq!(said_of(&[ours], &["DENY"]), None);
        assert_eq!(said_of(&[ours, "default-src 'self'; report-uri /form-action"], &[]), None);
    }

    #[test]
    fn framing_is_forbidden_by_a_policy_or_where_none_speaks_of_it_by_the_older_header() {
        let cases: [(&[&str], &[&str], bool); 9] = [
            (&["frame-ancestors 'none'"], &[], true),
            (&["frame-ancestors *", "frame-ancestors 'NONE'"], &[], true),
            (&["default-src 'none'"], &["DENY"], true),
            (&[], &["deny", "SAMEORIGIN"], true),
            (&[], &[], false),
            (&["default-src 'none'"], &[], false),
            (&["frame-ancestors *"], &["DENY"], false),
            (&["frame-ancestors *; frame-ancestors 'none'"], &[], false),
            (&[], &["ALLOWALL"], false),
        ];
        for (policies, options, good) in cases {
            assert_eq!(said_of(policies, options).is_none(), good, "{policies:?} {options:?}");
        }
    }
}
