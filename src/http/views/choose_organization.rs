//! `/organization`: the choice of the organization to act in, for users who belong to several.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use crate::http::views::answer::Forms;
use crate::http::views::app_name::AppName;
use crate::http::views::words::{Phrase, Words};
use crate::http::views::{answer, format};
use crate::rules::authorization::language::Language;
use crate::rules::id::OrgId;

pub struct ChooseOrganizationPage {
    pub request: String,
    pub csrf: String,
    pub app: AppName,
    pub orgs: Vec<(OrgId, String)>,
}

#[derive(Template)]
#[template(path = "choose_organization.html")]
struct Html<'a> {
    page: &'a ChooseOrganizationPage,
    words: Words,
}

impl Html<'_> {
    fn intro(&self) -> Phrase {
        self.page.app.introduction(
            self.words,
            "organization.intro_published",
            "organization.intro_unverified",
        )
    }
}

impl ChooseOrganizationPage {
    pub fn render(&self, language: Language) -> Response {
        let words = Words::new(language);
        answer::page(StatusCode::OK, &Html { page: self, words }, words, Forms::ThenToClient)
    }
}
