//! The consent page: for known and unknown clients, destinations, and extreme contents.

use super::*;

pub(super) fn states() -> Vec<State> {
    let pages = [known_clients(), destinations(), extremes()].concat();
    let states = pages.into_iter().map(|(name, page)| {
        state(format!("consent{name}"), move |language| page().render(language))
    });
    states.collect()
}

pub fn client() -> ClientSummary {
    ClientSummary {
        name: "Example Assistant".to_owned(),
        owner: None,
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
        request: REQUEST.to_owned(),
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

fn owner(reviewed_at: Option<Timestamp>) -> ClientOwner {
    ClientOwner { org_name: "Example Works".to_owned(), reviewed_at }
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
        ("_reviewed", || ConsentPage {
            client: ClientSummary { owner: Some(owner(Some(NOW.minus(40 * DAY)))), ..client() },
            withheld: vec![],
            ..consent()
        }),
        ("_private", || ConsentPage {
            client: ClientSummary { owner: Some(owner(None)), ..client() },
            reach: ReachSummary { this_server: true, resources: vec![] },
            withheld: vec![],
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
                owner: None,
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
