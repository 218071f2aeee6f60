//! `/connect`: the apps that a user can connect, and one of them.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use crate::http::views::answer::Forms;
use crate::http::views::scope_groups::ScopeGroup;
use crate::http::views::words::{Phrase, Words};
use crate::http::views::{answer, format};
use crate::rules::authorization::language::Language;
use crate::rules::id::OrgId;

pub struct TilesPage {
    pub tiles: Vec<TileEntry>,
}

pub struct TileEntry {
    pub id: String,
    pub name: String,
    pub publisher: String,
    pub description: Option<String>,
}

#[derive(Template)]
#[template(path = "tiles.html")]
struct TilesHtml<'a> {
    page: &'a TilesPage,
    words: Words,
}

impl TilesHtml<'_> {
    fn by(&self, tile: &TileEntry) -> Phrase {
        self.words.phrase("connect.by").with("org", &tile.publisher)
    }
}

impl TilesPage {
    pub fn render(&self, language: Language) -> Response {
        let words = Words::new(language);
        answer::page(StatusCode::OK, &TilesHtml { page: self, words }, words, Forms::Here)
    }
}

pub struct ConnectPage {
    pub id: String,
    pub csrf: String,
    pub name: String,
    /// The organization that owns the app.
    pub publisher: String,
    pub description: Option<String>,
    pub is_private: bool,
    /// The host of the page where people begin. `None`: the owner has not set one yet.
    pub host: Option<String>,
    pub groups: Vec<ScopeGroup>,
    /// The organizations for which the user can connect the app.
    pub orgs: Vec<(OrgId, String)>,
}

#[derive(Template)]
#[template(path = "connect.html")]
struct Html<'a> {
    page: &'a ConnectPage,
    words: Words,
}

impl Html<'_> {
    fn intro(&self) -> Phrase {
        let key = if self.page.is_private { "connect.intro_private" } else { "connect.intro" };
        let phrase = self.words.phrase(key);
        phrase.named("client", &self.page.name).with("org", &self.page.publisher)
    }

    fn begins_at(&self, host: &str) -> Phrase {
        self.words.phrase("connect.begins_at").whole("host", host)
    }

    fn submit(&self) -> &str {
        let key = if self.page.is_private { "connect.test" } else { "connect.submit" };
        self.words.text(key)
    }
}

impl ConnectPage {
    pub fn render(&self, language: Language) -> Response {
        let words = Words::new(language);
        // The form leads to the onboarding URL.
        let forms = if self.host.is_some() { Forms::ThenToClient } else { Forms::Here };
        answer::page(StatusCode::OK, &Html { page: self, words }, words, forms)
    }
}
