//! The error page: what went wrong, what to do next, and a reference code that is also in the log.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use crate::http::views::answer::Forms;
use crate::http::views::words::Words;
use crate::http::views::{answer, format};
use crate::rules::authorization::language::Language;
use crate::rules::authorization::refused_request::RefusedRequest;

pub struct ProblemPage {
    pub status: StatusCode,
    pub problem: Problem,
    /// The error text that a program would receive, for example
    /// `invalid_request - Invalid client_id parameter value`.
    pub error_text: Option<String>,
    /// The code by which an operator finds the log line.
    pub reference: Option<String>,
    pub facts: Option<RefusedRequest>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    UnknownClient,
    MismatchingRedirect,
    RequestExpired,
    /// With the reason, as an English sentence.
    BadRequest(String),
    Forbidden,
    TooMany,
    /// Too many authorization requests are waiting for their users.
    TooManyWaiting,
    Unavailable,
    NotFound,
    NoOrganization,
    /// With the reason, as an English sentence.
    DocumentUnusable(String),
}

impl Problem {
    const fn name(&self) -> &'static str {
        match self {
            Self::UnknownClient => "unknown_client",
            Self::MismatchingRedirect => "mismatching_redirect",
            Self::RequestExpired => "request_expired",
            Self::BadRequest(_) => "bad_request",
            Self::Forbidden => "forbidden",
            Self::TooMany => "too_many",
            Self::TooManyWaiting => "too_many_waiting",
            Self::Unavailable => "unavailable",
            Self::NotFound => "not_found",
            Self::NoOrganization => "no_organization",
            Self::DocumentUnusable(_) => "document_unusable",
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::BadRequest(detail) | Self::DocumentUnusable(detail) => {
                Some(format::detail(detail))
            }
            _ => None,
        }
    }

    /// Whether the app's saved registration is wrong, so that the user has to connect it again.
    const fn is_fixed_by_reconnecting(&self) -> bool {
        matches!(self, Self::UnknownClient | Self::MismatchingRedirect)
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct Html<'a> {
    page: &'a ProblemPage,
    words: Words,
}

impl Html<'_> {
    fn has_details(&self) -> bool {
        self.page.error_text.is_some() || self.page.reference.is_some() || self.page.facts.is_some()
    }

    fn text(&self, key: &str) -> &'static str {
        self.words.text(&format!("problem.{}.{key}", self.page.problem.name()))
    }
}

impl ProblemPage {
    pub fn render(&self, language: Language) -> Response {
        let words = Words::new(language);
        answer::page(self.status, &Html { page: self, words }, words, Forms::Here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::views::gallery::html;
    use crate::http::views::gallery::problems::problems;

    fn page_of(problem: Problem) -> ProblemPage {
        ProblemPage {
            status: StatusCode::BAD_REQUEST,
            problem,
            error_text: None,
            reference: None,
            facts: None,
        }
    }

    #[test]
    fn technical_details_show_the_request_and_the_registered_redirect_uris() {
        let facts = RefusedRequest {
            client_id: Some("<b>id".to_owned()),
            redirect_uri: Some("https://sent.example/cb".to_owned()),
            registered: vec![
                "https://one.example/cb".to_owned(),
                "https://two.example/cb".to_owned(),
            ],
            more: 3,
        };
        let page = ProblemPage { facts: Some(facts), ..page_of(Problem::MismatchingRedirect) };
        let page = html(page.render(Language::English));

        assert!(page.contains("<h2>Technical details</h2>"), "{page}");
        for fact in [
            "&#60;b&#62;id",
            "https://sent.example/cb",
            "https://one.example/cb",
            "https://two.example/cb",
        ] {
            assert!(page.contains(&format!("<code>{fact}</code>")), "{fact}: {page}");
        }
        assert!(page.contains("and 3 more") && !page.contains("Reference"), "{page}");
        let unknown =
            RefusedRequest { client_id: Some("x".to_owned()), ..RefusedRequest::default() };
        let page = ProblemPage { facts: Some(unknown), ..page_of(Problem::UnknownClient) };
        let page = html(page.render(Language::English));
        assert!(
            page.contains("<code>x</code>")
                && page.contains("none, so the app is not registered here"),
            "{page}"
        );
    }

    #[test]
    fn a_page_without_technical_details_omits_their_heading() {
        let page = html(page_of(Problem::NotFound).render(Language::English));

        assert!(!page.contains("Technical details") && !page.contains("Reference"), "{page}");
    }

    #[test]
    fn every_problem_has_its_own_heading_and_advice_in_every_language() {
        for language in [Language::English, Language::German] {
            let mut seen = std::collections::BTreeSet::new();
            for problem in problems() {
                let page = page_of(problem);
                let shown = Html { page: &page, words: Words::new(language) };
                for key in ["heading", "what", "advice"] {
                    assert!(!shown.text(key).is_empty(), "{} {key}", page.problem.name());
                }
                assert!(seen.insert(shown.text("heading")), "{}", page.problem.name());
            }
        }
    }

    #[test]
    fn the_page_shows_the_error_text_and_the_reference_and_keeps_the_status() {
        let page = ProblemPage {
            status: StatusCode::BAD_REQUEST,
            problem: Problem::UnknownClient,
            error_text: Some("invalid_request - Invalid client_id parameter value".to_owned()),
            reference: Some("0123456789abcdef".to_owned()),
            facts: None,
        };
        let answer = page.render(Language::English);
        assert_eq!(answer.status(), 400);
        let page = html(answer);

        assert!(
            page.contains("invalid_request - Invalid client_id parameter value</code>"),
            "{page}"
        );
        assert!(page.contains("0123456789abcdef</code>"), "{page}");
        assert!(
            page.contains("remove this server and add it again, or clear its authentication"),
            "{page}"
        );
    }

    #[test]
    fn a_detail_is_escaped_and_truncated() {
        let detail = format!("<script>{}", "x".repeat(1000));
        let page = html(page_of(Problem::BadRequest(detail)).render(Language::German));

        assert!(page.contains("&#60;script&#62;xxx") && page.contains("xxx…"), "{page}");
        assert!(page.len() < 4000 && !page.contains("<script"), "{page}");
    }
}
