//! `/not-permitted`: the role of the user lacks a permission that the app requires.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use crate::http::views::answer;
use crate::http::views::answer::Forms;
use crate::http::views::app_name::AppName;
use crate::http::views::words::{Phrase, Words};
use crate::rules::authorization::language::Language;

pub struct NotPermittedPage {
    pub request: String,
    pub csrf: String,
    pub app: AppName,
    pub org_name: String,
    /// The names of the scopes, with their descriptions.
    pub missing: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "not_permitted.html")]
struct Html<'a> {
    page: &'a NotPermittedPage,
    words: Words,
}

impl Html<'_> {
    fn intro(&self) -> Phrase {
        self.page.app.introduction(
            self.words,
            "not_permitted.intro_published",
            "not_permitted.intro_unverified",
        )
    }

    fn advice(&self) -> Phrase {
        self.words.phrase("not_permitted.advice").with("org", &self.page.org_name)
    }
}

impl NotPermittedPage {
    pub fn render(&self, language: Language) -> Response {
        let words = Words::new(language);
        let html = Html { page: self, words };
        answer::page(StatusCode::FORBIDDEN, &html, words, Forms::ThenToClient)
    }
}
