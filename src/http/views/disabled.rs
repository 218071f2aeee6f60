//! `/disabled`: the organization of the user has disabled the app that they want to connect.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use crate::http::views::answer::Forms;
use crate::http::views::app_name::AppName;
use crate::http::views::words::{Phrase, Words};
use crate::http::views::{answer, format};
use crate::rules::authorization::language::Language;

pub struct DisabledPage {
    pub request: String,
    pub csrf: String,
    pub app: AppName,
    pub org_name: String,
    /// The words of the administrator who disabled the app.
    pub reason: Option<String>,
}

#[derive(Template)]
#[template(path = "disabled.html")]
struct Html<'a> {
    page: &'a DisabledPage,
    words: Words,
}

impl Html<'_> {
    /// The heading never contains the name of the app, because it may not be verified.
    fn heading(&self) -> Phrase {
        self.words.phrase("disabled.heading").with("org", &self.page.org_name)
    }

    fn intro(&self) -> Phrase {
        self.page.app.introduction(
            self.words,
            "disabled.intro_published",
            "disabled.intro_unverified",
        )
    }

    fn advice(&self) -> Phrase {
        self.words.phrase("disabled.advice").with("org", &self.page.org_name)
    }
}

impl DisabledPage {
    pub fn render(&self, language: Language) -> Response {
        let words = Words::new(language);
        let html = Html { page: self, words };
        answer::page(StatusCode::FORBIDDEN, &html, words, Forms::ThenToClient)
    }
}
