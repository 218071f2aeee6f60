//! The consent page: the one place where a person decides, so everything on it is either checked or marked as not.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use crate::http::views::answer::Forms;
use crate::http::views::language::Language;
use crate::http::views::scope_groups::ScopeGroup;
use crate::http::views::words::{Phrase, Words};
use crate::http::views::{answer, shown};
use crate::rules::client::proof::ClientProof;
use crate::rules::scope::offered::WithheldBy;
use crate::rules::timestamp::Timestamp;

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
    pub usage: Usage,
    pub groups: Vec<ScopeGroup>,
    pub withheld: Vec<WithheldScope>,
    pub reach: ReachShown,
    pub asked_before: bool,
}

pub struct ClientShown {
    pub name: String,
    /// The host of the document in which the client describes itself.
    pub document_host: Option<String>,
    pub proof: ClientProof,
    pub first_seen: Timestamp,
}

/// Who uses the client in the organization.
pub struct Usage {
    pub by_this_person: bool,
    /// Counted as far as [`Usage::MOST_COUNTED`].
    pub others: u64,
}

impl Usage {
    pub const MOST_COUNTED: u64 = 1000;

    const fn is_used(&self) -> bool {
        self.by_this_person || self.others > 0
    }
}

/// What the tokens are for.
pub struct ReachShown {
    pub this_server: bool,
    pub resources: Vec<ResourceShown>,
}

pub struct ResourceShown {
    /// As the operator named it. A resource that the operator did not declare has only the URI that the client sent.
    pub name: Option<String>,
    pub uri: String,
}

impl ReachShown {
    /// The one resource in reach, if the operator named it. Nothing that a stranger wrote gets into a heading.
    fn only_name(&self) -> Option<&str> {
        match (self.this_server, self.resources.as_slice()) {
            (false, [only]) => only.name.as_deref(),
            _ => None,
        }
    }
}

/// Where access is sent.
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
    /// Without the name of the client, which nobody has verified.
    fn heading(&self) -> Phrase {
        let (client, org) = (&self.page.client, &self.page.org_name);
        let host = client.document_host.as_deref().unwrap_or_default();
        match (client.proof, self.page.reach.only_name()) {
            (ClientProof::Device, _) => self.words.say("consent.heading_device"),
            (ClientProof::Host, Some(resource)) => {
                self.words.say("consent.heading_published_to_use").whole("host", host).with("resource", resource)
            }
            (ClientProof::Host, None) => {
                self.words.say("consent.heading_published").whole("host", host).with("org", org)
            }
            (ClientProof::Unproven, Some(resource)) => {
                self.words.say("consent.heading_unverified_to_use").with("resource", resource)
            }
            (ClientProof::Unproven, None) => self.words.say("consent.heading_unverified").with("org", org),
        }
    }

    /// Below a heading that does not say it.
    fn wants(&self) -> Option<Phrase> {
        let wants = || match self.page.reach.only_name() {
            Some(resource) => self.words.say("consent.wants_to_use").with("resource", resource),
            None => self.words.say("consent.wants_to_act").with("org", &self.page.org_name),
        };
        (self.page.client.proof == ClientProof::Device).then(wants)
    }

    fn warning(&self) -> Option<Phrase> {
        let client = &self.page.client;
        let warning = || match (&self.page.goes_to, client.proof) {
            (GoesTo::Host(host), ClientProof::Unproven | ClientProof::Host) => {
                let warning = self.words.say("consent.warning_unverified").named("client", &client.name);
                warning.whole("host", host).with("org", &self.page.org_name)
            }
            _ => self.words.say("consent.warning_device").named("client", &client.name),
        };
        client.proof.needs_a_warning(self.page.usage.is_used()).then(warning)
    }

    fn is_published(&self) -> bool {
        self.page.client.proof == ClientProof::Host
    }

    fn published(&self) -> Phrase {
        self.words.say("app.published").whole("host", self.page.client.document_host.as_deref().unwrap_or_default())
    }

    fn calls_itself(&self) -> Phrase {
        let key = match self.page.client.proof {
            ClientProof::Device => "consent.program_calls_itself",
            ClientProof::Unproven | ClientProof::Host => "consent.app_calls_itself",
        };
        self.words.say(key).named("client", &self.page.client.name)
    }

    fn usage(&self) -> Phrase {
        let Usage { by_this_person, others } = &self.page.usage;
        let phrase = match (others, by_this_person) {
            (0, false) => self.words.say("consent.used_by_nobody"),
            (0, true) => self.words.say("consent.used_by_nobody_else"),
            (1, _) => self.words.say("consent.used_by_one"),
            (&people, _) if people > Usage::MOST_COUNTED => {
                self.words.say("consent.used_by_many").number("people", &Usage::MOST_COUNTED)
            }
            (people, _) => self.words.say("consent.used_by").number("people", people),
        };
        phrase.with("org", &self.page.org_name)
    }

    fn approve(&self) -> &'static str {
        match self.page.client.proof {
            ClientProof::Device => self.words.of("consent.approve_device"),
            ClientProof::Host | ClientProof::Unproven => self.words.of("consent.approve"),
        }
    }

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
    use super::*;
    use crate::http::views::gallery::{client, consent, html};
    use crate::http::views::scope_groups::ScopeShown;

    fn shown(page: &ConsentPage) -> String {
        html(page.render(Language::English))
    }

    fn shown_of(proof: ClientProof, usage: Usage, reach: ReachShown) -> String {
        let document_host = (proof == ClientProof::Host).then(|| "assistant.example".to_owned());
        let goes_to = match proof {
            ClientProof::Device => GoesTo::Loopback("127.0.0.1:33418".to_owned()),
            ClientProof::Host | ClientProof::Unproven => GoesTo::Host("assistant.example".to_owned()),
        };
        shown(&ConsentPage {
            client: ClientShown { proof, document_host, ..client() },
            usage,
            reach,
            goes_to,
            ..consent()
        })
    }

    fn nobody() -> Usage {
        Usage { by_this_person: false, others: 0 }
    }

    fn notes() -> ReachShown {
        let notes = ResourceShown { name: Some("Notes".to_owned()), uri: "https://notes.example/mcp".to_owned() };
        ReachShown { this_server: false, resources: vec![notes] }
    }

    fn undeclared() -> ReachShown {
        let resource = ResourceShown { name: None, uri: "https://verified.example".to_owned() };
        ReachShown { this_server: false, resources: vec![resource] }
    }

    fn part<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
        page.split(from).nth(1).and_then(|tail| tail.split(to).next()).unwrap_or_else(|| panic!("no {from}: {page}"))
    }

    #[test]
    fn the_name_of_a_client_is_quoted_escaped_isolated_and_cut() {
        let cases = [
            ("<script>alert(1)</script>", "<bdi>&#60;script&#62;alert(1)&#60;/script&#62;</bdi>".to_owned()),
            ("\"><img src=x onerror=alert(1)>", "<bdi>&#39;&#62;&#60;img src=x onerror=alert(1)&#62;</bdi>".to_owned()),
            ("</bdi></h1>Acme", "<bdi>&#60;/bdi&#62;&#60;/h1&#62;Acme</bdi>".to_owned()),
            ("{org} {client}", "<bdi>{org} {client}</bdi>".to_owned()),
            ("safe\u{202E}live", "<bdi>safe\u{FFFD}live</bdi>".to_owned()),
            ("Bank” ✅ verified by “Acme", "<bdi>Bank&#39; \u{FFFD} verified by &#39;Acme</bdi>".to_owned()),
            ("שלום", "<bdi>שלום</bdi>".to_owned()),
            (&"x".repeat(1000), format!("<bdi>{}…</bdi>", "x".repeat(79))),
        ];
        for (name, expected) in cases {
            let page = shown(&ConsentPage { client: ClientShown { name: name.to_owned(), ..client() }, ..consent() });
            assert!(
                page.contains(&format!("An app that calls itself “{expected}” <strong class=\"mark caution\">")),
                "{page}"
            );
            assert!(!page.contains("<script") && !page.contains("<img"), "{name}");
        }
    }

    #[test]
    fn no_title_and_no_heading_contains_the_name_of_a_client_or_a_resource_that_it_named() {
        for proof in [ClientProof::Host, ClientProof::Unproven, ClientProof::Device] {
            for reach in [notes(), undeclared()] {
                let page = shown_of(proof, nobody(), reach);
                for (from, to) in [("<title>", "</title>"), ("<h1>", "</h1>"), ("<h2>", "</h2>")] {
                    let heading = part(&page, from, to);
                    assert!(
                        !heading.contains("Example Assistant") && !heading.contains("verified.example"),
                        "{heading}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_heading_says_what_is_proven_and_what_the_app_can_use() {
        let here = || ReachShown { this_server: true, resources: vec![] };
        let cases = [
            (ClientProof::Unproven, notes(), "Allow an unverified app to use <bdi>Notes</bdi> for you?"),
            (ClientProof::Unproven, here(), "Allow an unverified app to act for you at <bdi>Example Works</bdi>?"),
            (
                ClientProof::Host,
                notes(),
                "Allow the app from <bdi>assistant.example</bdi> to use <bdi>Notes</bdi> for you?",
            ),
            (
                ClientProof::Host,
                undeclared(),
                "Allow the app from <bdi>assistant.example</bdi> to act for you at <bdi>Example Works</bdi>?",
            ),
            (ClientProof::Device, notes(), "Did you just start this yourself?"),
        ];
        for (proof, reach, heading) in cases {
            assert_eq!(part(&shown_of(proof, nobody(), reach), "<h1>", "</h1>"), heading);
        }
    }

    #[test]
    fn the_page_warns_of_programs_and_of_unproven_apps_that_nobody_uses() {
        let used = |by_this_person, others| Usage { by_this_person, others };
        let cases = [
            (ClientProof::Device, used(true, 3), Some("Any program can call itself “<bdi>Example Assistant</bdi>”")),
            (ClientProof::Device, nobody(), Some("If a message or a website brought you here, choose Cancel.")),
            (
                ClientProof::Unproven,
                nobody(),
                Some("It calls itself “<bdi>Example Assistant</bdi>”. No one has verified that."),
            ),
            (ClientProof::Unproven, nobody(), Some("Access is sent to <bdi>assistant.example</bdi>.")),
            (ClientProof::Unproven, used(false, 1), None),
            (ClientProof::Unproven, used(true, 0), None),
            (ClientProof::Host, nobody(), None),
        ];
        for (proof, usage, expected) in cases {
            let page = shown_of(proof, usage, notes());
            match expected {
                Some(words) => assert!(part(&page, "<p class=\"warning\">", "</p>").contains(words), "{words}: {page}"),
                None => assert!(!page.contains("class=\"warning\""), "{page}"),
            }
        }
    }

    #[test]
    fn a_name_is_unverified_unless_the_host_that_receives_access_describes_the_app() {
        let published = shown_of(ClientProof::Host, nobody(), notes());
        assert!(published.contains("published by <bdi>assistant.example</bdi>"), "{published}");
        assert!(!published.contains("unverified"), "{published}");
        let unproven = shown_of(ClientProof::Unproven, nobody(), notes());
        assert!(unproven.contains("unverified name") && !unproven.contains("published by"), "{unproven}");
        let client =
            ClientShown { document_host: Some("known.example".to_owned()), proof: ClientProof::Device, ..client() };
        let posing = shown(&ConsentPage { client, ..consent() });
        assert!(posing.contains("unverified name") && posing.contains("<bdi>known.example</bdi>"), "{posing}");
    }

    #[test]
    fn the_first_fact_is_where_access_is_sent() {
        let cases = [
            (GoesTo::Host("app.example".to_owned()), "<bdi>app.example</bdi>"),
            (GoesTo::Loopback("localhost:3118".to_owned()), "a program on this computer, at <bdi>localhost:3118</bdi>"),
            (GoesTo::Loopback("[::1]:80".to_owned()), "a program on this computer, at <bdi>[::1]:80</bdi>"),
            (GoesTo::Scheme("cursor".to_owned()), "that opens <bdi>cursor</bdi> links"),
        ];
        for (goes_to, words) in cases {
            let page = shown(&ConsentPage { goes_to, ..consent() });
            let first = part(&page, "<dl>", "</dd>");
            assert!(first.contains("<dt>Where access is sent</dt>") && first.contains(words), "{words}: {first}");
        }
    }

    #[test]
    fn how_many_people_of_the_organization_use_the_app_is_counted_as_far_as_a_thousand() {
        let cases = [
            (false, 0, "No one at <bdi>Example Works</bdi> uses this app."),
            (true, 0, "No one else at <bdi>Example Works</bdi> uses this app."),
            (true, 1, "One other person at <bdi>Example Works</bdi> uses this app."),
            (false, 23, "23 other people at <bdi>Example Works</bdi> use this app."),
            (false, 1001, "More than 1000 other people at <bdi>Example Works</bdi> use this app."),
        ];
        for (by_this_person, others, words) in cases {
            let page = shown_of(ClientProof::Unproven, Usage { by_this_person, others }, notes());
            assert!(page.contains(words), "{words}: {page}");
        }
    }

    #[test]
    fn the_page_says_what_the_app_can_reach() {
        let this_server = "<span class=\"part\">this server</span>";
        let here = shown_of(ClientProof::Unproven, nobody(), ReachShown { this_server: true, resources: vec![] });
        let there = shown_of(ClientProof::Unproven, nobody(), notes());
        let both = shown_of(ClientProof::Unproven, nobody(), ReachShown { this_server: true, ..notes() });

        let notes = "<bdi>Notes</bdi> <code>https://notes.example/mcp</code>";
        assert!(here.contains(this_server) && both.contains(this_server) && both.contains(notes), "{both}");
        assert!(there.contains(notes) && !there.contains("this server</span>"), "{there}");
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

        assert_eq!(names, ["csrf", "decision", "decision", "decision", "request", "shown"]);
        assert!(
            form.trim_start_matches('>').trim_start().starts_with("<button hidden name=\"decision\" value=\"none\">"),
            "{form}"
        );
        assert!(
            form.contains("name=\"decision\" value=\"approve\"") && form.contains("name=\"decision\" value=\"deny\"")
        );
    }

    #[test]
    fn age_is_told_in_days_and_by_date() {
        let day = 86_400;
        let now = consent().now;
        let cases =
            [(0, "here today ("), (1, "here yesterday ("), (2, "here 2 days ago ("), (400, "here 400 days ago (")];
        for (days, words) in cases {
            let client = ClientShown { first_seen: now.minus(days * day), ..client() };
            let page = shown(&ConsentPage { client, ..consent() });
            assert!(page.contains(&format!("{words}<time datetime=\"")), "{words}: {page}");
        }
    }
}
