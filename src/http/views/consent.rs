//! The consent page: the one place where a person decides, so everything on it is either checked or marked as not.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::answer::{self, Forms};
use super::language::Language;
use super::scope_groups::ScopeGroup;
use super::shown;
use super::words::{Phrase, Words};
use crate::oauth::Timestamp;
use crate::oauth::offered_scopes::WithheldBy;

pub struct ConsentPage {
    /// The handle of the authorization request: what is decided about. The form carries nothing else of it.
    pub request: String,
    pub csrf: String,
    /// What is on the page, so that nothing else is agreed to.
    pub shown: String,
    pub now: Timestamp,
    pub client: ClientShown,
    pub goes_to: GoesTo,
    pub org_name: String,
    pub email: String,
    /// No answer can reach another computer, so nothing tells this client from one that took its name.
    pub answer_stays_on_device: bool,
    pub groups: Vec<ScopeGroup>,
    pub withheld: Vec<WithheldScope>,
    /// What the token is for.
    pub resources: Vec<String>,
    pub asked_before: bool,
}

pub struct ClientShown {
    pub name: String,
    /// The host of the document in which the client describes itself. A registered client has proven nothing.
    pub verified_host: Option<String>,
    pub first_seen: Timestamp,
}

/// Where the answer goes.
pub enum GoesTo {
    Host(String),
    /// At this host and port.
    Loopback(String),
    Scheme(String),
}

pub struct WithheldScope {
    pub name: String,
    pub description: String,
    pub by: WithheldBy,
}

#[derive(Template)]
#[template(path = "consent.html")]
struct Html<'a> {
    page: &'a ConsentPage,
    words: Words,
}

impl Html<'_> {
    fn first_seen(&self) -> Phrase {
        let seen = &self.page.client.first_seen;
        let phrase = match shown::days_between(*seen, self.page.now) {
            0 => self.words.say("consent.seen_today"),
            1 => self.words.say("consent.seen_yesterday"),
            days => self.words.say("consent.seen_days_ago").number("days", &days),
        };
        phrase.date("date", seen)
    }

    fn withheld_by(&self, by: &WithheldBy) -> Phrase {
        let phrase = match by {
            WithheldBy::Organization => self.words.say("consent.withheld_by_organization"),
            WithheldBy::Role => self.words.say("consent.withheld_by_role"),
            WithheldBy::Server => self.words.say("consent.withheld_by_server"),
        };
        phrase.with("org", &self.page.org_name)
    }

    fn has_a_choice(&self) -> bool {
        self.page.groups.iter().any(|group| group.scopes.iter().any(|scope| !scope.fixed))
    }
}

impl ConsentPage {
    pub fn render(&self, language: Language) -> Response {
        let words = Words::new(language);
        answer::page(StatusCode::OK, &Html { page: self, words }, words, Forms::ThenToClient)
    }
}

#[cfg(test)]
mod tests {
    use super::super::gallery::{client, consent, html};
    use super::super::scope_groups::ScopeShown;
    use super::*;

    fn shown(page: &ConsentPage) -> String {
        html(page.render(Language::English))
    }

    #[test]
    fn the_name_of_a_client_is_escaped_isolated_and_cut() {
        let cases = [
            ("<script>alert(1)</script>", "<bdi>&#60;script&#62;alert(1)&#60;/script&#62;</bdi>".to_owned()),
            ("\"><img src=x onerror=alert(1)>", "<bdi>&#34;&#62;&#60;img src=x onerror=alert(1)&#62;</bdi>".to_owned()),
            ("</bdi></h1>Acme", "<bdi>&#60;/bdi&#62;&#60;/h1&#62;Acme</bdi>".to_owned()),
            ("{org} {client}", "<bdi>{org} {client}</bdi>".to_owned()),
            ("safe\u{202E}live", "<bdi>safe\u{FFFD}live</bdi>".to_owned()),
            ("שלום", "<bdi>שלום</bdi>".to_owned()),
            (&"x".repeat(1000), format!("<bdi>{}…</bdi>", "x".repeat(79))),
        ];
        for (name, expected) in cases {
            let page = shown(&ConsentPage { client: ClientShown { name: name.to_owned(), ..client() }, ..consent() });
            assert!(page.contains(&format!("<h1>{expected} wants access to")), "{name}: {page}");
            assert!(!page.contains("<script") && !page.contains("<img"), "{name}");
        }
    }

    #[test]
    fn a_client_is_unverified_unless_a_host_describes_it() {
        let of = |verified_host: Option<&str>| {
            let client = ClientShown { verified_host: verified_host.map(str::to_owned), ..client() };
            shown(&ConsentPage { client, ..consent() })
        };

        assert!(of(None).contains("unverified") && !of(None).contains("published by"));
        let verified = of(Some("app.example"));
        assert!(verified.contains("published by <bdi>app.example</bdi>") && !verified.contains("unverified"));
    }

    #[test]
    fn the_page_says_where_the_answer_goes_and_warns_where_anything_could_receive_it() {
        let cases = [
            (GoesTo::Host("app.example".to_owned()), false, "<bdi>app.example</bdi>"),
            (
                GoesTo::Loopback("localhost:3118".to_owned()),
                true,
                "a program on this computer, at <bdi>localhost:3118</bdi>",
            ),
            (GoesTo::Loopback("[::1]:80".to_owned()), false, "a program on this computer, at <bdi>[::1]:80</bdi>"),
            (GoesTo::Scheme("cursor".to_owned()), true, "that opens <bdi>cursor</bdi> links"),
        ];
        for (goes_to, answer_stays_on_device, words) in cases {
            let page = shown(&ConsentPage { goes_to, answer_stays_on_device, ..consent() });
            assert!(page.contains(words), "{words}: {page}");
            assert_eq!(page.contains("class=\"warning\""), answer_stays_on_device, "{words}");
        }
    }

    #[test]
    fn only_what_can_be_left_out_has_a_checkbox_and_it_is_checked() {
        let page = shown(&consent());
        for group in consent().groups {
            for ScopeShown { name, fixed, .. } in group.scopes {
                let checkbox = format!("<input type=\"checkbox\" name=\"scope\" value=\"{name}\" checked>");
                assert_eq!(page.contains(&checkbox), !fixed, "{name}");
                assert!(page.contains(&format!("<code>{name}</code>")), "{name}");
            }
        }
        assert!(page.contains("always included"));
        for WithheldScope { name, .. } in consent().withheld {
            assert!(!page.contains(&format!("value=\"{name}\"")) && page.contains(&format!("<code>{name}</code>")));
        }
    }

    #[test]
    fn the_hint_about_boxes_stands_only_where_there_are_boxes() {
        let page = ConsentPage { groups: Vec::new(), ..consent() };

        assert!(shown(&consent()).contains("Clear the box"));
        assert!(!shown(&page).contains("Clear the box") && shown(&page).contains("asks for no permission"));
    }

    #[test]
    fn the_form_carries_the_handle_and_the_decision_and_nothing_that_could_be_changed() {
        let page = shown(&consent());
        let form = page.split("action=\"/oauth2/v1/authorize\"").nth(1).and_then(|tail| tail.split("</form>").next());
        let form = form.expect("the form");
        let mut names: Vec<&str> = form
            .split("name=\"")
            .skip(1)
            .filter_map(|tail| tail.split('"').next())
            .filter(|name| *name != "scope")
            .collect();
        names.sort_unstable();

        assert_eq!(names, ["csrf", "decision", "decision", "request", "shown"]);
        assert!(
            form.contains("name=\"decision\" value=\"approve\"") && form.contains("name=\"decision\" value=\"deny\"")
        );
    }

    #[test]
    fn age_is_told_in_days_and_by_date() {
        let day = 86_400;
        let now = consent().now;
        let cases = [(0, "today ("), (1, "yesterday ("), (2, "2 days ago ("), (400, "400 days ago (")];
        for (days, words) in cases {
            let client = ClientShown { first_seen: now.minus(days * day), ..client() };
            let page = shown(&ConsentPage { client, ..consent() });
            assert!(page.contains(&format!("{words}<time datetime=\"")), "{words}: {page}");
        }
    }
}
