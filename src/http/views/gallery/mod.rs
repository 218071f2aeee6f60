//! Every page in every state, for the tests. To look at the pages, run
//! `cargo test --lib write_every_page_to_target_pages -- --ignored`.

pub mod account;
pub mod consent;
pub mod invitations;
pub mod problems;
pub mod sign_in;

use std::fs;
use std::path::Path;

use axum::body::to_bytes;
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::FutureExt as _;

use super::*;
use crate::rules::authorization::language::Language;
use crate::rules::authorization::refused_request::RefusedRequest;
use crate::rules::client::proof::ClientProof;
use crate::rules::id::{GrantId, OrgId, SessionId};
use crate::rules::identity::password::PasswordError;
use crate::rules::scope::ScopeSet;
use crate::rules::scope::catalog::{SHIPPED, ScopeCatalog};
use crate::rules::scope::offered::WithheldBy;
use crate::rules::timestamp::Timestamp;
use crate::rules::token::remaining_life::RemainingLife;

pub const NAME_WITH_BRACES: &str = "{client}";

const NOW: Timestamp = Timestamp::from_seconds(1_795_255_901);
const DAY: i64 = 86_400;
const CSRF: &str = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA";
const REQUEST: &str = "V2hhdCBpcyBkZWNpZGVkIGFib3V0";
const EMAIL: &str = "user@example.com";

pub fn html(answer: Response) -> String {
    let body = to_bytes(answer.into_body(), usize::MAX)
        .now_or_never()
        .expect("the body is complete")
        .expect("bytes");
    String::from_utf8(body.to_vec()).expect("text")
}

/// Every state in every language, with names such as `consent_many.de`.
pub fn answers() -> Vec<(String, Response)> {
    let both = [Language::English, Language::German];
    both.into_iter()
        .flat_map(|language| {
            states()
                .into_iter()
                .map(move |(name, render)| (format!("{name}.{}", language.tag()), render(language)))
        })
        .collect()
}

pub fn rendered() -> Vec<(String, String)> {
    answers().into_iter().map(|(name, answer)| (name, html(answer))).collect()
}

type State = (String, Box<dyn Fn(Language) -> Response>);

fn state(name: impl Into<String>, render: impl Fn(Language) -> Response + 'static) -> State {
    (name.into(), Box::new(render))
}

fn states() -> Vec<State> {
    let all = [
        sign_in::states(),
        account::states(),
        problems::states(),
        consent::states(),
        invitations::states(),
    ];
    all.into_iter().flatten().collect()
}

fn app_name(name: &str, published_by: Option<&str>) -> AppName {
    AppName { name: name.to_owned(), published_by: published_by.map(str::to_owned) }
}

#[test]
fn every_page_has_one_h1_one_main_one_header_and_a_csrf_token_in_every_form() {
    for (name, html) in rendered() {
        let count = |part: &str| html.matches(part).count();
        assert_eq!((count("<h1"), count("<main>"), count("<header>")), (1, 1, 1), "{name}");
        assert_eq!(count("method=\"post\""), count("<form"), "{name}");
        assert_eq!(count("name=\"csrf\""), count("<form"), "{name}");
        assert!(html.starts_with("<!DOCTYPE html>"), "{name}");
        assert!(
            html.contains(&format!(
                "<html lang=\"{}\">",
                name.split_once('.').expect("a language").1
            )),
            "{name}"
        );
        for forbidden in
            ["<script", " style=", "<style", "<img", "javascript:", " onclick", " onload"]
        {
            assert!(!html.contains(forbidden), "{name}: {forbidden}");
        }
    }
}

#[test]
fn no_title_or_heading_contains_an_unverified_name_of_an_app() {
    // A reviewer approved the name.
    for (name, html) in rendered().into_iter().filter(|(name, _)| !name.contains("_reviewed")) {
        for tag in ["title", "h1", "h2", "h3", "legend"] {
            for heading in html
                .split(&format!("<{tag}"))
                .skip(1)
                .filter_map(|tail| tail.split(&format!("</{tag}>")).next())
            {
                assert!(
                    !heading.contains("Example Assistant") && !heading.contains("alert("),
                    "{name}: {heading}"
                );
            }
        }
    }
}

#[test]
#[ignore = "writes files for a person to look at"]
fn write_every_page_to_target_pages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pages");
    fs::create_dir_all(&folder).expect("a folder");
    for (name, html) in rendered() {
        fs::write(folder.join(format!("{name}.html")), html).expect("a file");
    }
    fs::write(folder.join("style.css"), include_str!("../../../../templates/style.css"))
        .expect("a file");
}
