//! The name of an app, as every page except the consent page shows it. Anyone can register any
//! name, so it is in quotation marks and marked as unverified unless its host publishes the app.

use crate::http::views::words::{Phrase, Words};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppName {
    pub name: String,
    /// The host that describes the app, if it is also the host that receives access.
    pub published_by: Option<String>,
}

impl AppName {
    /// The text with the key `published` if a host publishes the app, otherwise `unverified`.
    pub(super) fn introduction(&self, words: Words, published: &str, unverified: &str) -> Phrase {
        match &self.published_by {
            Some(host) => words.phrase(published).named("client", &self.name).whole("host", host),
            None => words.phrase(unverified).named("client", &self.name),
        }
    }
}
