//! The name of an app, wherever a page that is not the consent page mentions it. Anybody can register any name, so it is
//! in quotation marks and called unverified unless a host answers for it.

use crate::http::views::words::{Phrase, Words};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppName {
    pub name: String,
    /// The host that describes the app, if it is also the host that receives access.
    pub published_by: Option<String>,
}

impl AppName {
    /// The sentence for an app that a host has published, or the one for any other app.
    pub(super) fn say(&self, words: Words, published: &str, unverified: &str) -> Phrase {
        match &self.published_by {
            Some(host) => words.say(published).named("client", &self.name).whole("host", host),
            None => words.say(unverified).named("client", &self.name),
        }
    }
}
