//! Which organisation is a client to act in? Asked of whoever belongs to several.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::answer::{self, Forms};
use super::language::Language;
use super::shown;
use super::words::Words;
use crate::oauth::OrgId;

pub struct ChooseOrganisationPage {
    pub request: String,
    pub csrf: String,
    pub client_name: String,
    pub orgs: Vec<(OrgId, String)>,
}

#[derive(Template)]
#[template(path = "choose_organization.html")]
struct Html<'a> {
    page: &'a ChooseOrganisationPage,
    words: Words,
}

impl ChooseOrganisationPage {
    pub fn render(&self, language: Language) -> Response {
        let words = Words::new(language);
        answer::page(StatusCode::OK, &Html { page: self, words }, words, Forms::ThenToClient)
    }
}
