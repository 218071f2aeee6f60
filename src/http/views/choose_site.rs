//! `/choose-site`: the choice of the site that has the account, if the service has several sites
//! and the client did not name one.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use crate::http::views::answer;
use crate::http::views::answer::Forms;
use crate::http::views::app_name::AppName;
use crate::http::views::words::{Phrase, Words};
use crate::rules::authorization::language::Language;

pub struct ChooseSitePage {
    pub sites: Vec<SiteLink>,
    pub app: AppName,
}

pub struct SiteLink {
    pub host: String,
    /// The address at which the request continues on that site.
    pub url: String,
    pub is_here: bool,
}

impl SiteLink {
    /// Only web addresses become links: a `javascript:` link, for example, would run code.
    fn is_linkable(&self) -> bool {
        self.url.starts_with("https://") || self.url.starts_with("http://")
    }
}

#[derive(Template)]
#[template(path = "choose_site.html")]
struct Html<'a> {
    page: &'a ChooseSitePage,
    words: Words,
}

impl Html<'_> {
    fn intro(&self) -> Phrase {
        self.page.app.introduction(self.words, "site.intro_published", "site.intro_unverified")
    }
}

impl ChooseSitePage {
    pub fn render(&self, language: Language) -> Response {
        let words = Words::new(language);
        answer::page(StatusCode::OK, &Html { page: self, words }, words, Forms::Here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::views::app_name::AppName;
    use crate::http::views::gallery::html;

    #[test]
    fn a_site_is_a_link_only_if_its_url_is_http_or_https() {
        let site = |url: &str| SiteLink {
            host: "eu.example".to_owned(),
            url: url.to_owned(),
            is_here: false,
        };
        let sites = vec![
            site("https://eu.example/a?b=1&c=2"),
            site("javascript:alert(1)"),
            site("//eu.example/"),
        ];
        let page = html(
            ChooseSitePage { sites, app: AppName { name: "App".to_owned(), published_by: None } }
                .render(Language::English),
        );

        assert_eq!(page.matches("<a ").count(), 1);
        assert!(page.contains("href=\"https://eu.example/a?b=1&#38;c=2\""), "{page}");
        assert_eq!(page.matches("<bdi>eu.example</bdi>").count(), 3);
    }
}
