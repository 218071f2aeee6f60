//! Every page in every state, for the tests. To look at the pages, run
//! `cargo test --lib write_every_page_to_target_pages -- --ignored`.

use std::fs;
use std::path::Path;

use axum::body::to_bytes;
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::FutureExt as _;
use uuid::Uuid;

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

fn states() -> Vec<State> {
    let mut states: Vec<State> = Vec::new();
    let mut add = |name: &str, render: Box<dyn Fn(Language) -> Response>| {
        states.push((name.to_owned(), render))
    };
    add(
        "login",
        Box::new(|language| LoginPage { request: None, app: None, ..login() }.render(language)),
    );
    add("login_for_client", Box::new(|language| login().render(language)));
    for (name, failure) in [
        ("wrong", LoginFailure::WrongCredentials),
        ("too_many", LoginFailure::TooMany { seconds: 40 }),
        ("busy", LoginFailure::Busy),
    ] {
        let render = move |language| {
            LoginPage { failure: Some(failure), email: EMAIL.to_owned(), ..login() }
                .render(language)
        };
        add(&format!("login_for_client_{name}"), Box::new(render));
    }
    add("password_for_client", Box::new(|language| choose_password().render(language)));
    for (name, failure) in [
        ("common", PasswordFailure::Weak(PasswordError::Common)),
        ("personal", PasswordFailure::Weak(PasswordError::Personal)),
        ("length", PasswordFailure::Weak(PasswordError::TooShort)),
        ("same", PasswordFailure::Same),
    ] {
        let render = move |language| {
            ChoosePasswordPage { failure: Some(failure), request: None, ..choose_password() }
                .render(language)
        };
        add(&format!("choose_password_{name}"), Box::new(render));
    }
    add("organization", Box::new(|language| organizations().render(language)));
    add("site", Box::new(|language| sites().render(language)));
    add("signed_out", Box::new(|language| SignedOutPage.render(language)));
    add("account", Box::new(|language| account().render(language)));
    for attempts in [1, 12] {
        let render =
            move |language| AccountPage { failed_attempts: attempts, ..account() }.render(language);
        add(&format!("account_failed_attempts_{attempts}"), Box::new(render));
    }
    add(
        "account_empty",
        Box::new(|language| AccountPage { apps: vec![], ..account() }.render(language)),
    );
    for notice in Notice::ALL {
        let last_token = (notice == Notice::AppRevoked).then_some(RemainingLife::Minutes(42));
        let render = move |language| {
            AccountPage { notice: Some(notice), last_token, ..account() }.render(language)
        };
        add(&format!("account_{}", notice.as_str()), Box::new(render));
    }
    for (index, problem) in problems().into_iter().enumerate() {
        add(
            &format!("problem_{index}"),
            Box::new(move |language| problem_page(problem.clone()).render(language)),
        );
    }
    for (name, page) in consents() {
        add(&format!("consent{name}"), Box::new(move |language| page().render(language)));
    }
    states
}

const EMAIL: &str = "user@example.com";

pub fn login() -> LoginPage {
    LoginPage {
        request: Some("V2hhdCBpcyBkZWNpZGVkIGFib3V0".to_owned()),
        csrf: CSRF.to_owned(),
        email: String::new(),
        app: Some(app_name("Example Assistant", None)),
        failure: None,
    }
}

fn app_name(name: &str, published_by: Option<&str>) -> AppName {
    AppName { name: name.to_owned(), published_by: published_by.map(str::to_owned) }
}

pub fn choose_password() -> ChoosePasswordPage {
    ChoosePasswordPage {
        request: Some("V2hhdCBpcyBkZWNpZGVkIGFib3V0".to_owned()),
        csrf: CSRF.to_owned(),
        email: EMAIL.to_owned(),
        failure: None,
    }
}

pub fn client() -> ClientSummary {
    ClientSummary {
        name: "Example Assistant".to_owned(),
        document_host: None,
        proof: ClientProof::Unproven,
        first_seen: NOW.minus(3 * DAY),
    }
}

pub fn consent() -> ConsentPage {
    let withheld = |name: &str, by| WithheldScope {
        name: name.to_owned(),
        description: catalog().find(name).expect("a scope").description.clone(),
        by,
    };
    ConsentPage {
        request: "V2hhdCBpcyBkZWNpZGVkIGFib3V0".to_owned(),
        csrf: CSRF.to_owned(),
        shown: "5f".repeat(32),
        now: NOW,
        client: client(),
        destination: Destination::Host("assistant.example".to_owned()),
        org_name: "Example Works".to_owned(),
        email: EMAIL.to_owned(),
        usage: Usage { by_this_person: false, others: 0 },
        groups: groups("email profile mcp_read dashboards_read", "openid built_in_features"),
        withheld: vec![
            withheld("mcp_write", WithheldBy::Organization),
            withheld("user_access_manage", WithheldBy::Role),
            withheld("api_keys_write", WithheldBy::Server),
        ],
        reach: ReachSummary {
            this_server: false,
            resources: vec![resource(Some("Notes"), "https://mcp.example.com/mcp")],
        },
        asked_before: false,
    }
}

fn resource(name: Option<&str>, uri: &str) -> ResourceSummary {
    ResourceSummary { name: name.map(str::to_owned), uri: uri.to_owned() }
}

fn catalog() -> ScopeCatalog {
    ScopeCatalog::from_toml(SHIPPED).expect("a catalog")
}

fn groups(optional: &str, fixed: &str) -> Vec<ScopeGroup> {
    let set = |text: &str| ScopeSet::parse(text).expect("a set");
    ScopeGroup::list(&catalog(), &set(optional), &set(fixed), &ScopeSet::default())
}

type MakesConsent = (&'static str, fn() -> ConsentPage);

fn consents() -> Vec<MakesConsent> {
    [known_clients(), destinations(), extremes()].concat()
}

/// What the page shows about the client and its use.
fn known_clients() -> Vec<MakesConsent> {
    vec![
        ("", consent),
        ("_plain", || ConsentPage {
            groups: groups("email profile mcp_read", "openid"),
            withheld: vec![],
            ..consent()
        }),
        ("_verified", || ConsentPage {
            client: ClientSummary {
                document_host: Some("assistant.example".to_owned()),
                proof: ClientProof::Host,
                ..client()
            },
            usage: Usage { by_this_person: true, others: 23 },
            asked_before: true,
            ..consent()
        }),
        ("_used", || ConsentPage {
            usage: Usage { by_this_person: false, others: 1 },
            ..consent()
        }),
    ]
}

/// Where the code is sent, and where the tokens are accepted.
fn destinations() -> Vec<MakesConsent> {
    vec![
        ("_here", || ConsentPage {
            reach: ReachSummary { this_server: true, resources: vec![] },
            withheld: vec![],
            ..consent()
        }),
        ("_loopback", || ConsentPage {
            destination: Destination::Loopback("127.0.0.1:33418".to_owned()),
            client: ClientSummary {
                document_host: Some("assistant.example".to_owned()),
                proof: ClientProof::Device,
                ..client()
            },
            ..consent()
        }),
        ("_scheme", || ConsentPage {
            destination: Destination::Scheme("com.example.app".to_owned()),
            client: ClientSummary {
                first_seen: NOW.minus(DAY),
                proof: ClientProof::Device,
                ..client()
            },
            reach: ReachSummary {
                this_server: true,
                resources: vec![
                    resource(None, "https://undeclared.example"),
                    resource(Some("Notes"), "https://mcp.example.com/mcp"),
                ],
            },
            ..consent()
        }),
    ]
}

/// Nothing, as much as possible, and hostile texts.
fn extremes() -> Vec<MakesConsent> {
    vec![
        ("_nothing", || ConsentPage { groups: vec![], withheld: vec![], ..consent() }),
        ("_many", || {
            let optional = catalog().iter().map(|scope| scope.name.clone()).collect();
            ConsentPage {
                groups: ScopeGroup::list(
                    &catalog(),
                    &optional,
                    &ScopeSet::default(),
                    &ScopeSet::default(),
                ),
                ..consent()
            }
        }),
        ("_hostile", || ConsentPage {
            client: ClientSummary {
                name: format!("{NAME_WITH_BRACES}</bdi><script>\u{202E}שלום {}", "W".repeat(200)),
                document_host: Some(format!("{}.example", "a".repeat(200))),
                proof: ClientProof::Unproven,
                first_seen: NOW,
            },
            destination: Destination::Host(format!("{}.example", "long-label-".repeat(20))),
            org_name: "<b>مؤسسة</b>".repeat(20),
            email: format!("{}@example.com", "u".repeat(200)),
            reach: ReachSummary {
                this_server: true,
                resources: vec![resource(
                    None,
                    &format!("https://mcp.example.com/{}", "path/".repeat(300)),
                )],
            },
            ..consent()
        }),
    ]
}

fn organizations() -> ChooseOrganizationPage {
    let org = |id: u128, name: &str| (OrgId(Uuid::from_u128(id)), name.to_owned());
    ChooseOrganizationPage {
        request: "V2hhdCBpcyBkZWNpZGVkIGFib3V0".to_owned(),
        csrf: CSRF.to_owned(),
        app: app_name("Example Assistant", None),
        orgs: vec![
            org(1, "Example Works"),
            org(2, "Example Works, test"),
            org(3, &"Long name ".repeat(30)),
        ],
    }
}

fn sites() -> ChooseSitePage {
    let site = |host: &str, is_here| SiteLink {
        host: host.to_owned(),
        url: format!("https://{host}/oauth2/v1/authorize?client_id=1&state=2"),
        is_here,
    };
    ChooseSitePage {
        sites: vec![site("us.example.com", true), site("eu.example.com", false)],
        app: app_name("Example Assistant", Some("assistant.example")),
    }
}

pub fn account() -> AccountPage {
    let app = |id: u128, name: &str, host: Option<&str>, scopes: &[&str], last_used| AppEntry {
        grant_id: GrantId(Uuid::from_u128(id)),
        app: app_name(name, host),
        org_name: "Example Works".to_owned(),
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        since: NOW.minus(40 * DAY),
        last_used,
    };
    let session = |id: u128, user_agent: &str, is_this| SessionEntry {
        id: SessionId(Uuid::from_u128(id)),
        user_agent: user_agent.to_owned(),
        address: Some("192.0.2.7".to_owned()),
        since: NOW.minus(DAY),
        last_seen: NOW,
        is_this,
    };
    AccountPage {
        csrf: CSRF.to_owned(),
        email: EMAIL.to_owned(),
        apps: vec![
            app(
                1,
                "Example Assistant",
                Some("assistant.example"),
                &["Confirm who you are", "See dashboards"],
                Some(NOW.minus(DAY)),
            ),
            app(2, "<script>alert(1)</script>", None, &[], None),
        ],
        sessions: vec![
            session(
                3,
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                true,
            ),
            session(
                4,
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1",
                false,
            ),
            session(5, "curl/8.5.0", false),
            session(6, "", false),
        ],
        failed_attempts: 0,
        last_token: None,
        notice: None,
    }
}

pub fn problems() -> Vec<Problem> {
    vec![
        Problem::UnknownClient,
        Problem::MismatchingRedirect,
        Problem::RequestExpired,
        Problem::BadRequest(
            "redirect_uri is missing: send one of those that the client registered".to_owned(),
        ),
        Problem::Forbidden,
        Problem::TooMany,
        Problem::TooManyWaiting,
        Problem::Unavailable,
        Problem::NotFound,
        Problem::NoOrganization,
        Problem::DocumentUnusable(
            "the document at https://assistant.example/client.json is longer than 5 KiB".to_owned(),
        ),
    ]
}

fn problem_page(problem: Problem) -> ProblemPage {
    let is_redirect = problem == Problem::MismatchingRedirect;
    let error_text = is_redirect.then(|| "invalid_request - Mismatching redirect URI.".to_owned());
    let facts = is_redirect.then(|| RefusedRequest {
        client_id: Some("0f0f0f0f-36a6-41f0-b21b-da7ad0900002".to_owned()),
        redirect_uri: Some(format!("https://assistant.example/{}", "callback/".repeat(20))),
        registered: vec![
            "https://assistant.example/oauth/callback".to_owned(),
            "http://127.0.0.1/cb".to_owned(),
        ],
        more: 3,
    });
    let reference = (problem != Problem::NotFound).then(|| "9f86d081884c7d65".to_owned());
    ProblemPage { status: StatusCode::BAD_REQUEST, problem, error_text, reference, facts }
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
fn no_title_or_heading_contains_the_name_of_an_app() {
    for (name, html) in rendered() {
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
    fs::write(folder.join("style.css"), include_str!("../../../templates/style.css"))
        .expect("a file");
}
