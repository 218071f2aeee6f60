//! The page after signing out.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use crate::http::views::answer;
use crate::http::views::answer::Forms;
use crate::http::views::words::Words;
use crate::rules::authorization::language::Language;

pub struct SignedOutPage;

#[derive(Template)]
#[template(path = "signed_out.html")]
struct Html {
    words: Words,
}

impl SignedOutPage {
    pub fn render(&self, language: Language) -> Response {
        let words = Words::new(language);
        answer::page(StatusCode::OK, &Html { words }, words, Forms::Here)
    }
}
