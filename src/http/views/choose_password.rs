//! `/password`: a password in the place of one that this server made.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use crate::http::views::answer;
use crate::http::views::answer::Forms;
use crate::http::views::language::Language;
use crate::http::views::words::Words;
use crate::rules::identity::password::PasswordError;

pub struct ChoosePasswordPage {
    /// The handle of the authorization request that waits for this.
    pub request: Option<String>,
    pub csrf: String,
    pub email: String,
    pub failure: Option<PasswordFailure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordFailure {
    Weak(PasswordError),
    /// It is the one that has to be replaced.
    Same,
}

#[derive(Template)]
#[template(path = "choose_password.html")]
struct Html<'a> {
    page: &'a ChoosePasswordPage,
    words: Words,
}

impl Html<'_> {
    fn failure(&self) -> Option<&'static str> {
        let key = match self.page.failure? {
            PasswordFailure::Weak(PasswordError::TooShort | PasswordError::TooLong) => "password.length",
            PasswordFailure::Weak(PasswordError::Common) => "password.common",
            PasswordFailure::Weak(PasswordError::Personal) => "password.personal",
            PasswordFailure::Same => "password.same",
        };
        Some(self.words.of(key))
    }
}

impl ChoosePasswordPage {
    pub fn render(&self, language: Language) -> Response {
        let words = Words::new(language);
        let status = if self.failure.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        // Who has allowed the client before is sent on to it without another page.
        let forms = if self.request.is_some() { Forms::ThenToClient } else { Forms::Here };
        answer::page(status, &Html { page: self, words }, words, forms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::views::gallery::{choose_password, html};

    #[test]
    fn there_is_one_password_field_and_it_names_the_failure() {
        for (failure, status, named) in [
            (None, 200, 0),
            (Some(PasswordFailure::Same), 422, 1),
            (Some(PasswordFailure::Weak(PasswordError::Personal)), 422, 1),
        ] {
            let answer = ChoosePasswordPage { failure, ..choose_password() }.render(Language::English);
            assert_eq!(answer.status().as_u16(), status, "{failure:?}");
            let page = html(answer);
            assert_eq!(page.matches("type=\"password\"").count(), 1);
            assert_eq!(page.matches("aria-invalid=\"true\"").count(), named, "{failure:?}");
            assert_eq!(page.matches("role=\"alert\"").count(), named, "{failure:?}");
        }
    }
}
