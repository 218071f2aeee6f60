//! `/login`: the sign-in form.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use crate::http::views::answer;
use crate::http::views::answer::Forms;
use crate::http::views::app_name::AppName;
use crate::http::views::words::{Phrase, Words};
use crate::rules::authorization::language::Language;

pub struct LoginPage {
    /// The handle of the authorization request that continues after this step.
    pub request: Option<String>,
    /// The tile to which the user returns without a request.
    pub connect: Option<String>,
    pub csrf: String,
    /// The value of the field: what the user submitted, or the `login_hint` of the client.
    pub email: String,
    pub app: Option<AppName>,
    pub failure: Option<LoginFailure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginFailure {
    WrongCredentials,
    TooMany {
        seconds: u64,
    },
    /// No slot for checking a password is free.
    Busy,
}

#[derive(Template)]
#[template(path = "login.html")]
struct Html<'a> {
    page: &'a LoginPage,
    words: Words,
}

impl Html<'_> {
    fn for_app(&self) -> Option<Phrase> {
        let app = self.page.app.as_ref();
        app.map(|app| app.introduction(self.words, "login.for_published", "login.for_unverified"))
    }

    fn has_wrong_fields(&self) -> bool {
        self.page.failure == Some(LoginFailure::WrongCredentials)
    }
}

/// The seconds after which a slot for checking a password is likely to be free.
const BUSY_FOR: u64 = 2;

impl LoginPage {
    pub fn render(&self, language: Language) -> Response {
        let words = Words::new(language);
        // Users who already allowed the client are redirected to it without another page.
        let forms = if self.request.is_some() { Forms::ThenToClient } else { Forms::Here };
        let answer = answer::page(self.status(), &Html { page: self, words }, words, forms);
        match self.failure {
            Some(failure) => failure.with_retry_after(answer),
            None => answer,
        }
    }

    const fn status(&self) -> StatusCode {
        match self.failure {
            None => StatusCode::OK,
            Some(failure) => failure.status(),
        }
    }
}

impl LoginFailure {
    /// Wrong credentials return 403, because a 401 has to name an HTTP authentication scheme
    /// (RFC 9110 section 15.5.2), and a form is not one.
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::WrongCredentials => StatusCode::FORBIDDEN,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(super) fn with_retry_after(self, answer: Response) -> Response {
        match self {
            Self::TooMany { seconds } => answer::with_retry_after(answer, seconds),
            Self::Busy => answer::with_retry_after(answer, BUSY_FOR),
            Self::WrongCredentials => answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::views::gallery::html;
    use crate::http::views::gallery::sign_in::login;

    #[test]
    fn a_failure_has_its_status_and_retry_after() {
        let cases = [
            (None, 200, None),
            (Some(LoginFailure::WrongCredentials), 403, None),
            (Some(LoginFailure::TooMany { seconds: 40 }), 429, Some("40")),
            (Some(LoginFailure::Busy), 503, Some("2")),
        ];
        for (failure, status, retry_after) in cases {
            let answer = LoginPage { failure, ..login() }.render(Language::English);
            assert_eq!(answer.status().as_u16(), status, "{failure:?}");
            let header =
                answer.headers().get("retry-after").map(|value| value.to_str().expect("text"));
            assert_eq!(header, retry_after, "{failure:?}");
        }
    }

    #[test]
    fn the_page_has_one_password_field_and_it_is_always_empty() {
        let page = html(
            LoginPage { email: "a\"><b>@example.com".to_owned(), ..login() }
                .render(Language::English),
        );

        assert_eq!(page.matches("type=\"password\"").count(), 1);
        assert!(
            page.contains("autocomplete=\"current-password\"")
                && page.contains("autocomplete=\"username\"")
        );
        assert!(page.contains("value=\"a&#34;&#62;&#60;b&#62;@example.com\""), "{page}");
        let password = page
            .split("<input")
            .find(|field| field.contains("type=\"password\""))
            .expect("the field");
        assert!(!password.split('>').next().unwrap_or_default().contains("value="), "{password}");
    }

    #[test]
    fn fields_refer_only_to_failures_about_them() {
        let fields_referring_to = |failure| {
            let page = html(LoginPage { failure, ..login() }.render(Language::English));
            page.matches("aria-describedby=\"failure\"").count()
        };

        assert_eq!(fields_referring_to(None), 0);
        assert_eq!(fields_referring_to(Some(LoginFailure::WrongCredentials)), 2);
        assert_eq!(fields_referring_to(Some(LoginFailure::Busy)), 0);
    }

    #[test]
    fn the_form_contains_the_request_only_if_there_is_one() {
        let with = html(
            LoginPage { request: Some("handle".to_owned()), ..login() }.render(Language::English),
        );
        let without = html(LoginPage { request: None, ..login() }.render(Language::English));

        assert!(with.contains("<input type=\"hidden\" name=\"request\" value=\"handle\">"));
        assert!(!without.contains("name=\"request\""));
    }
}
