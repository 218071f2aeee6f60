//! Detects proxies that change the headers of the consent page, so that people cannot approve, or
//! can be tricked into approving (clickjacking).

use crate::diagnose::probe::one_line;
use crate::diagnose::selftest::browser::Page;
use crate::diagnose::selftest::report::{Trouble, wrong};

const CHROME: &str = "users of Chrome and similar browsers, where nothing happens when they \
                      approve";
const PEOPLE: &str = "users, whom another page can trick into approving (clickjacking)";

pub fn check(page: &Page) -> Result<(), Trouble> {
    // Browsers apply form-action to every redirect after the form, including the one to the client.
    if let Some(sources) = values_of(page, "form-action").next() {
        let message = format!(
            "the Content-Security-Policy of the consent page has form-action {}, added by \
             something in front of this server: remove form-action there, because it also applies \
             to the redirect to the client",
            one_line(&sources.chars().take(100).collect::<String>()),
        );
        return Err(wrong(message, CHROME));
    }
    match forbids_framing(page) {
        true => Ok(()),
        false => {
            let message = "the consent page can be shown in a frame: something in front of this \
                           server removes frame-ancestors 'none' from its Content-Security-Policy, \
                           or removes X-Frame-Options; let both pass unchanged";
            Err(wrong(message, PEOPLE))
        }
    }
}

/// One policy is enough, because all policies apply. Browsers use `X-Frame-Options` only if no
/// policy has frame-ancestors.
fn forbids_framing(page: &Page) -> bool {
    let mut ancestors = values_of(page, "frame-ancestors").peekable();
    if ancestors.peek().is_some() {
        return ancestors.any(|sources| is_one_of(&sources, &["'none'", "'self'", ""]));
    }
    let mut options = page.frame_options.iter().flat_map(|line| line.split(',')).peekable();
    options.peek().is_some()
        && options.all(|option| is_one_of(option.trim(), &["deny", "sameorigin"]))
}

fn is_one_of(text: &str, known: &[&str]) -> bool {
    known.iter().any(|known| known.eq_ignore_ascii_case(text))
}

/// The values of a directive in every policy. Within a policy, the first one counts (Content
/// Security Policy 3, section 2.2.1).
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

    fn fault_in(policies: &[&str], frame_options: &[&str]) -> Option<String> {
        let own = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        let page = Page {
            html: String::new(),
            policies: own(policies),
            frame_options: own(frame_options),
        };
        match check(&page) {
            Ok(()) => None,
            Err(Trouble::Wrong(fault)) => Some(fault.message),
            Err(Trouble::NotTried) => panic!("the check was skipped"),
        }
    }

    #[test]
    fn a_form_action_is_found_in_every_policy() {
        let ours = "default-src 'none'; frame-ancestors 'none'";
        let added = format!("{ours}; form-action 'self'");
        let listed = format!("{ours}, FORM-ACTION 'self' https://x.example");
        for policies in [
            &[added.as_str()][..],
            &[ours, "form-action 'self'"],
            &[&listed],
            &[ours, "form-action"],
        ] {
            let message = fault_in(policies, &["DENY"]).expect("is wrong");
            assert!(message.contains("has form-action"), "{policies:?}: {message}");
        }
        assert_eq!(fault_in(&[ours], &["DENY"]), None);
        assert_eq!(fault_in(&[ours, "default-src 'self'; report-uri /form-action"], &[]), None);
    }

    #[test]
    fn framing_is_forbidden_by_a_policy_or_without_one_by_x_frame_options() {
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
            assert_eq!(fault_in(policies, options).is_none(), good, "{policies:?} {options:?}");
        }
    }
}
