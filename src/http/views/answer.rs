//! Renders a page into a response, with the headers that every page needs: content security policy,
//! no framing, no caching, no device access.

use askama::Template;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::http::views::words::Words;

/// Where the forms of a page lead, which decides about `form-action` in the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forms {
    /// To this server only. The policy has `form-action 'self'`.
    Here,
    /// To this server, which may redirect the browser to a client. Browsers apply `form-action` to
    /// every redirect that follows a form submission, including the client's own redirects, so the
    /// policy of such a page has no `form-action`.
    ThenToClient,
}

const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'";
const POLICY_WITH_FORMS: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// No page needs any of these features. The header has no way to turn off all features at once.
const NO_DEVICES: &str = "camera=(), display-capture=(), fullscreen=(), geolocation=(), identity-credentials-get=(), \
                          microphone=(), payment=(), publickey-credentials-get=(), usb=()";

impl Forms {
    const fn policy(self) -> &'static str {
        match self {
            Self::Here => POLICY_WITH_FORMS,
            Self::ThenToClient => POLICY,
        }
    }
}

pub fn page(status: StatusCode, template: &impl Template, words: Words, forms: Forms) -> Response {
    let mut answer = match template.render() {
        Ok(html) => (status, html).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot render a page");
            (StatusCode::INTERNAL_SERVER_ERROR, "internal server error").into_response()
        }
    };
    add_headers(answer.headers_mut(), words, forms);
    answer
}

/// `nosniff`, `Referrer-Policy` and HSTS are not set here, because every response has them.
fn add_headers(headers: &mut HeaderMap, words: Words, forms: Forms) {
    let headers_of_pages = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_LANGUAGE, words.tag()),
        (CONTENT_SECURITY_POLICY, forms.policy()),
        (X_FRAME_OPTIONS, "DENY"),
        (OPENER_POLICY, "same-origin"),
        (PERMISSIONS_POLICY, NO_DEVICES),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in headers_of_pages {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

pub fn with_retry_after(mut answer: Response, seconds: u64) -> Response {
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    answer
}

#[cfg(test)]
mod tests {
    use crate::http::views::gallery;

    #[test]
    fn every_page_forbids_scripts_frames_and_caching_and_names_its_language() {
        for (name, answer) in gallery::answers() {
            let header = |header: &str| answer.headers()[header].to_str().expect("text").to_owned();
            let policy = header("content-security-policy");
            assert!(
                policy.starts_with("default-src 'none'; style-src 'self'; base-uri 'none'"),
                "{name}: {policy}"
            );
            assert!(
                policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
                "{name}: {policy}"
            );
            assert_eq!(header("x-frame-options"), "DENY", "{name}");
            assert_eq!(header("cross-origin-opener-policy"), "same-origin", "{name}");
            assert!(header("permissions-policy").contains("camera=()"), "{name}");
            assert_eq!(header("cache-control"), "no-store", "{name}");
            assert_eq!(header("content-type"), "text/html; charset=utf-8", "{name}");
            assert!(name.ends_with(&header("content-language")), "{name}");
        }
    }

    #[test]
    fn form_action_is_restricted_unless_a_form_can_lead_to_a_client() {
        for (name, answer) in gallery::answers() {
            let policy = answer.headers()["content-security-policy"].to_str().expect("text");
            let leads_to_a_client = [
                "connect.",
                "connect_private",
                "consent",
                "disabled",
                "login_for",
                "not_permitted",
                "organization",
                "password_for",
            ]
            .iter()
            .any(|page| name.starts_with(page));
            assert_eq!(policy.contains("form-action"), !leads_to_a_client, "{name}: {policy}");
        }
    }
}
