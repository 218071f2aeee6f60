//! The consent page, where the user decides. Everything on it is either verified or marked as not
//! verified.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use crate::http::views::answer::Forms;
use crate::http::views::scope_groups::ScopeGroup;
use crate::http::views::words::{Phrase, Words};
use crate::http::views::{answer, format};
use crate::rules::authorization::language::Language;
use crate::rules::client::proof::ClientProof;
use crate::rules::scope::offered::WithheldBy;
use crate::rules::timestamp::Timestamp;

pub struct ConsentPage {
    /// The handle of the authorization request. The form contains nothing else of the request.
    pub request: String,
    pub csrf: String,
    /// A digest of what the page shows, so that the user cannot allow anything else.
    pub shown: String,
    pub now: Timestamp,
    pub client: ClientSummary,
    pub destination: Destination,
    pub org_name: String,
    pub email: String,
    pub usage: Usage,
    pub groups: Vec<ScopeGroup>,
    pub withheld: Vec<WithheldScope>,
    pub reach: ReachSummary,
    pub asked_before: bool,
}

pub struct ClientSummary {
    pub name: String,
    /// Who answers for the client. `None` for clients that registered themselves.
    pub owner: Option<ClientOwner>,
    /// The host of the document in which the client describes itself.
    pub document_host: Option<String>,
    pub proof: ClientProof,
    pub first_seen: Timestamp,
}

/// The organization that owns a client with a secret.
pub struct ClientOwner {
    pub org_name: String,
    /// When a reviewer approved the client. `None` for a private one.
    pub reviewed_at: Option<Timestamp>,
}

/// How many people in the organization use the client.
pub struct Usage {
    pub by_this_person: bool,
    /// Counted only up to one more than [`Usage::MAX_COUNTED`].
    pub others: u64,
}

impl Usage {
    pub const MAX_COUNTED: u64 = 1000;

    const fn is_used(&self) -> bool {
        self.by_this_person || self.others > 0
    }
}

/// The resources that the tokens are for.
pub struct ReachSummary {
    pub this_server: bool,
    pub resources: Vec<ResourceSummary>,
}

pub struct ResourceSummary {
    /// The operator's name for the resource. A resource that the operator did not declare has only
    /// the URI that the client sent.
    pub name: Option<String>,
    pub uri: String,
}

impl ReachSummary {
    /// The name of the only resource, if the operator named it. Untrusted text never gets into a
    /// heading.
    fn only_name(&self) -> Option<&str> {
        match (self.this_server, self.resources.as_slice()) {
            (false, [only]) => only.name.as_deref(),
            _ => None,
        }
    }
}

/// Where access is sent.
pub enum Destination {
    Host(String),
    /// A program on the user's computer, at this host and port.
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
    /// The heading never contains the client's name, because it is not verified.
    fn heading(&self) -> Phrase {
        let client = &self.page.client;
        let org = &self.page.org_name;
        let host = client.document_host.as_deref().unwrap_or_default();
        if let Some(owner) = &client.owner {
            return self.heading_for(owner);
        }
        match (client.proof, self.page.reach.only_name()) {
            (ClientProof::Device, _) => self.words.phrase("consent.heading_device"),
            (ClientProof::Host, Some(resource)) => self
                .words
                .phrase("consent.heading_published_to_use")
                .whole("host", host)
                .with("resource", resource),
            (ClientProof::Host, None) => {
                self.words.phrase("consent.heading_published").whole("host", host).with("org", org)
            }
            (ClientProof::Unproven, Some(resource)) => {
                self.words.phrase("consent.heading_unverified_to_use").with("resource", resource)
            }
            (ClientProof::Unproven, None) => {
                self.words.phrase("consent.heading_unverified").with("org", org)
            }
        }
    }

    /// A reviewer has approved the name of a published client, so its heading contains it.
    fn heading_for(&self, owner: &ClientOwner) -> Phrase {
        let (client, org) = (&self.page.client.name, &self.page.org_name);
        let resource = self.page.reach.only_name();
        match (owner.reviewed_at, resource) {
            (Some(_), Some(resource)) => self
                .words
                .phrase("consent.heading_reviewed_to_use")
                .named("client", client)
                .with("resource", resource),
            (Some(_), None) => self
                .words
                .phrase("consent.heading_reviewed")
                .named("client", client)
                .with("org", org),
            (None, Some(resource)) => self
                .words
                .phrase("consent.heading_private_to_use")
                .with("resource", resource)
                .with("org", &owner.org_name),
            (None, None) => {
                self.words.phrase("consent.heading_private").with("org", &owner.org_name)
            }
        }
    }

    /// Who answers for a client with a secret.
    fn owned_by(&self) -> Option<Phrase> {
        let owner = self.page.client.owner.as_ref()?;
        Some(match &owner.reviewed_at {
            Some(at) => {
                self.words.phrase("app.reviewed").with("org", &owner.org_name).date("date", at)
            }
            None => self.words.phrase("app.private").with("org", &owner.org_name),
        })
    }

    /// What the app wants, if the heading does not contain it.
    fn wants(&self) -> Option<Phrase> {
        let wants = || match self.page.reach.only_name() {
            Some(resource) => self.words.phrase("consent.wants_to_use").with("resource", resource),
            None => self.words.phrase("consent.wants_to_act").with("org", &self.page.org_name),
        };
        let client = &self.page.client;
        (client.owner.is_none() && client.proof == ClientProof::Device).then(wants)
    }

    fn warning(&self) -> Option<Phrase> {
        let client = &self.page.client;
        let warning = || match (&self.page.destination, client.proof) {
            (Destination::Host(host), ClientProof::Unproven | ClientProof::Host) => self
                .words
                .phrase("consent.warning_unverified")
                .named("client", &client.name)
                .whole("host", host),
            _ => self.words.phrase("consent.warning_device").named("client", &client.name),
        };
        let is_warned =
            client.owner.is_none() && client.proof.needs_a_warning(self.page.usage.is_used());
        is_warned.then(warning)
    }

    fn is_published(&self) -> bool {
        self.page.client.proof == ClientProof::Host
    }

    fn published(&self) -> Phrase {
        self.words
            .phrase("app.published")
            .whole("host", self.page.client.document_host.as_deref().unwrap_or_default())
    }

    fn calls_itself(&self) -> Phrase {
        let key = match self.page.client.proof {
            ClientProof::Device => "consent.program_calls_itself",
            ClientProof::Unproven | ClientProof::Host => "consent.app_calls_itself",
        };
        self.words.phrase(key).named("client", &self.page.client.name)
    }

    fn usage(&self) -> Phrase {
        let Usage { by_this_person, others } = self.page.usage;
        let phrase = match others.saturating_add(by_this_person.into()) {
            0 => self.words.phrase("consent.used_by_nobody"),
            1 if by_this_person => self.words.phrase("consent.used_by_nobody_else"),
            1 => self.words.phrase("consent.used_by_one"),
            people if people > Usage::MAX_COUNTED => {
                self.words.phrase("consent.used_by_many").number("people", &Usage::MAX_COUNTED)
            }
            people => self.words.phrase("consent.used_by").number("people", &people),
        };
        phrase.with("org", &self.page.org_name)
    }

    fn approve(&self) -> &'static str {
        match self.page.client.proof {
            ClientProof::Device if self.page.client.owner.is_none() => {
                self.words.text("consent.approve_device")
            }
            _ => self.words.text("consent.approve"),
        }
    }

    fn first_seen(&self) -> Phrase {
        match format::days_between(self.page.client.first_seen, self.page.now) {
            0 => self.words.phrase("consent.seen_today"),
            1 => self.words.phrase("consent.seen_yesterday"),
            days => self.words.phrase("consent.seen_days_ago").number("days", &days),
        }
    }

    fn withheld_by(&self, by: &WithheldBy) -> Phrase {
        let phrase = match by {
            WithheldBy::Organization => self.words.phrase("consent.withheld_by_organization"),
            WithheldBy::Role => self.words.phrase("consent.withheld_by_role"),
            WithheldBy::Server => self.words.phrase("consent.withheld_by_server"),
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
    use crate::http::views::gallery::consent::{client, consent};
    use crate::http::views::gallery::html;
    use crate::http::views::scope_groups::ScopeChoice;

    fn shown(page: &ConsentPage) -> String {
        html(page.render(Language::English))
    }

    fn shown_of(proof: ClientProof, usage: Usage, reach: ReachSummary) -> String {
        let document_host = (proof == ClientProof::Host).then(|| "assistant.example".to_owned());
        let destination = match proof {
            ClientProof::Device => Destination::Loopback("127.0.0.1:33418".to_owned()),
            ClientProof::Host | ClientProof::Unproven => {
                Destination::Host("assistant.example".to_owned())
            }
        };
        shown(&ConsentPage {
            client: ClientSummary { proof, document_host, ..client() },
            usage,
            reach,
            destination,
            ..consent()
        })
    }

    fn unused() -> Usage {
        Usage { by_this_person: false, others: 0 }
    }

    fn notes() -> ReachSummary {
        let notes = ResourceSummary {
            name: Some("Notes".to_owned()),
            uri: "https://notes.example/mcp".to_owned(),
        };
        ReachSummary { this_server: false, resources: vec![notes] }
    }

    fn undeclared() -> ReachSummary {
        let resource = ResourceSummary { name: None, uri: "https://verified.example".to_owned() };
        ReachSummary { this_server: false, resources: vec![resource] }
    }

    fn part<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
        page.split(from)
            .nth(1)
            .and_then(|tail| tail.split(to).next())
            .unwrap_or_else(|| panic!("no {from}: {page}"))
    }

    #[test]
    fn the_name_of_a_client_is_quoted_escaped_isolated_and_truncated() {
        let cases = [
            (
                "<script>alert(1)</script>",
                "<bdi>&#60;script&#62;alert(1)&#60;/script&#62;</bdi>".to_owned(),
            ),
            (
                "\"><img src=x onerror=alert(1)>",
                "<bdi>&#39;&#62;&#60;img src=x onerror=alert(1)&#62;</bdi>".to_owned(),
            ),
            ("</bdi></h1>Acme", "<bdi>&#60;/bdi&#62;&#60;/h1&#62;Acme</bdi>".to_owned()),
            ("{org} {client}", "<bdi>{org} {client}</bdi>".to_owned()),
            ("safe\u{202E}live", "<bdi>safe\u{FFFD}live</bdi>".to_owned()),
            (
                "Bank” ✅ verified by “Acme",
                "<bdi>Bank&#39; \u{FFFD} verified by &#39;Acme</bdi>".to_owned(),
            ),
            ("שלום", "<bdi>שלום</bdi>".to_owned()),
            (&"x".repeat(1000), format!("<bdi>{}…</bdi>", "x".repeat(79))),
        ];
        for (name, expected) in cases {
            let page = shown(&ConsentPage {
                client: ClientSummary { name: name.to_owned(), ..client() },
                ..consent()
            });
            assert!(
                page.contains(&format!(
                    "An app that calls itself “{expected}” <strong class=\"mark caution\">"
                )),
                "{page}"
            );
            assert!(!page.contains("<script") && !page.contains("<img"), "{name}");
        }
    }

    #[test]
    fn no_title_or_heading_contains_a_name_chosen_by_the_client() {
        for proof in [ClientProof::Host, ClientProof::Unproven, ClientProof::Device] {
            for reach in [notes(), undeclared()] {
                let page = shown_of(proof, unused(), reach);
                for (from, to) in [("<title>", "</title>"), ("<h1>", "</h1>"), ("<h2>", "</h2>")] {
                    let heading = part(&page, from, to);
                    assert!(
                        !heading.contains("Example Assistant")
                            && !heading.contains("verified.example"),
                        "{heading}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_heading_names_the_verified_host_and_the_resource() {
        let here = || ReachSummary { this_server: true, resources: vec![] };
        let cases = [
            (
                ClientProof::Unproven,
                notes(),
                "Allow an unverified app to use <bdi>Notes</bdi> for you?",
            ),
            (
                ClientProof::Unproven,
                here(),
                "Allow an unverified app to act for you at <bdi>Example Works</bdi>?",
            ),
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
            assert_eq!(part(&shown_of(proof, unused(), reach), "<h1>", "</h1>"), heading);
        }
    }

    #[test]
    fn the_page_warns_about_programs_and_about_unverified_apps_without_users() {
        let used = |by_this_person, others| Usage { by_this_person, others };
        let cases = [
            (
                ClientProof::Device,
                used(true, 3),
                Some("Any program can call itself “<bdi>Example Assistant</bdi>”"),
            ),
            (
                ClientProof::Device,
                unused(),
                Some("If a message or a website brought you here, choose Cancel."),
            ),
            (
                ClientProof::Unproven,
                unused(),
                Some("It calls itself “<bdi>Example Assistant</bdi>”. No one has verified that."),
            ),
            (
                ClientProof::Unproven,
                unused(),
                Some("Access is sent to <bdi>assistant.example</bdi>."),
            ),
            (ClientProof::Unproven, used(false, 1), None),
            (ClientProof::Unproven, used(true, 0), None),
            (ClientProof::Host, unused(), None),
        ];
        for (proof, usage, expected) in cases {
            let page = shown_of(proof, usage, notes());
            match expected {
                Some(words) => assert!(
                    part(&page, "<p class=\"warning\">", "</p>").contains(words),
                    "{words}: {page}"
                ),
                None => assert!(!page.contains("class=\"warning\""), "{page}"),
            }
        }
    }

    #[test]
    fn a_name_is_unverified_unless_the_host_that_receives_access_publishes_the_app() {
        let published = shown_of(ClientProof::Host, unused(), notes());
        assert!(published.contains("published by <bdi>assistant.example</bdi>"), "{published}");
        assert!(!published.contains("unverified"), "{published}");
        let unproven = shown_of(ClientProof::Unproven, unused(), notes());
        assert!(
            unproven.contains("unverified name") && !unproven.contains("published by"),
            "{unproven}"
        );
        let client = ClientSummary {
            document_host: Some("known.example".to_owned()),
            proof: ClientProof::Device,
            ..client()
        };
        let posing = shown(&ConsentPage { client, ..consent() });
        assert!(
            posing.contains("unverified name") && posing.contains("<bdi>known.example</bdi>"),
            "{posing}"
        );
    }

    #[test]
    fn the_page_first_shows_where_access_is_sent() {
        let cases = [
            (Destination::Host("app.example".to_owned()), "<bdi>app.example</bdi>"),
            (
                Destination::Loopback("localhost:3118".to_owned()),
                "a program on this computer, at <bdi>localhost:3118</bdi>",
            ),
            (
                Destination::Loopback("[::1]:80".to_owned()),
                "a program on this computer, at <bdi>[::1]:80</bdi>",
            ),
            (Destination::Scheme("cursor".to_owned()), "that opens <bdi>cursor</bdi> links"),
        ];
        for (destination, words) in cases {
            let page = shown(&ConsentPage { destination, ..consent() });
            let first = part(&page, "<dl>", "</dd>");
            assert!(
                first.contains("<dt>Where access is sent</dt>") && first.contains(words),
                "{words}: {first}"
            );
        }
    }

    #[test]
    fn the_page_counts_up_to_1000_people_who_use_the_app() {
        let cases = [
            (false, 0, "No one at <bdi>Example Works</bdi> uses it."),
            (true, 0, "No one else at <bdi>Example Works</bdi> uses it."),
            (false, 1, "One person at <bdi>Example Works</bdi> uses it."),
            (true, 1, "2 people at <bdi>Example Works</bdi> use it."),
            (false, 23, "23 people at <bdi>Example Works</bdi> use it."),
            (false, 1000, "1000 people at <bdi>Example Works</bdi> use it."),
            (true, 1000, "More than 1000 people at <bdi>Example Works</bdi> use it."),
            (false, 1001, "More than 1000 people at <bdi>Example Works</bdi> use it."),
        ];
        for (by_this_person, others, words) in cases {
            let page = shown_of(ClientProof::Unproven, Usage { by_this_person, others }, notes());
            assert!(page.contains(words), "{words}: {page}");
        }
    }

    #[test]
    fn the_page_shows_what_the_app_can_reach() {
        let this_server = "<span class=\"part\">this server</span>";
        let here = shown_of(
            ClientProof::Unproven,
            unused(),
            ReachSummary { this_server: true, resources: vec![] },
        );
        let there = shown_of(ClientProof::Unproven, unused(), notes());
        let both = shown_of(
            ClientProof::Unproven,
            unused(),
            ReachSummary { this_server: true, ..notes() },
        );

        let notes = "<bdi>Notes</bdi> <code>https://notes.example/mcp</code>";
        assert!(
            here.contains(this_server) && both.contains(this_server) && both.contains(notes),
            "{both}"
        );
        assert!(there.contains(notes) && !there.contains("this server</span>"), "{there}");
    }

    #[test]
    fn only_optional_scopes_have_a_checkbox_and_it_is_checked() {
        let page = shown(&consent());
        for group in consent().groups {
            for ScopeChoice { name, fixed, .. } in group.scopes {
                let checkbox =
                    format!("<input type=\"checkbox\" name=\"scope\" value=\"{name}\" checked>");
                assert_eq!(page.contains(&checkbox), !fixed, "{name}");
                assert!(page.contains(&format!("<code>{name}</code>")), "{name}");
            }
        }
        assert!(page.contains("always included"));
        for WithheldScope { name, .. } in consent().withheld {
            assert!(
                !page.contains(&format!("value=\"{name}\""))
                    && page.contains(&format!("<code>{name}</code>"))
            );
        }
    }

    #[test]
    fn the_hint_about_boxes_appears_only_if_there_are_boxes() {
        let page = ConsentPage { groups: Vec::new(), ..consent() };

        assert!(shown(&consent()).contains("Clear the box"));
        assert!(
            !shown(&page).contains("Clear the box")
                && shown(&page).contains("does not request any permissions")
        );
    }

    #[test]
    fn the_form_contains_no_parameters_of_the_request() {
        let page = shown(&consent());
        let form = page
            .split("action=\"/oauth2/v1/authorize\"")
            .nth(1)
            .and_then(|tail| tail.split("</form>").next());
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
            form.trim_start_matches('>')
                .trim_start()
                .starts_with("<button hidden name=\"decision\" value=\"none\">"),
            "{form}"
        );
        assert!(
            form.contains("name=\"decision\" value=\"approve\"")
                && form.contains("name=\"decision\" value=\"deny\"")
        );
    }

    #[test]
    fn the_age_is_shown_in_days() {
        let day = 86_400;
        let now = consent().now;
        let cases = [
            (0, "here today."),
            (1, "here yesterday."),
            (2, "here 2 days ago."),
            (400, "here 400 days ago."),
        ];
        for (days, words) in cases {
            let client = ClientSummary { first_seen: now.minus(days * day), ..client() };
            let page = shown(&ConsentPage { client, ..consent() });
            assert!(page.contains(words), "{words}: {page}");
        }
    }
}
