//! The account page: with every notice, and with failed sign-ins.

use uuid::Uuid;

use super::*;

pub(super) fn states() -> Vec<State> {
    let mut states = vec![
        state("account", |language| account().render(language)),
        state("account_empty", |language| {
            AccountPage { apps: vec![], ..account() }.render(language)
        }),
    ];
    for attempts in [1, 12] {
        let render =
            move |language| AccountPage { failed_attempts: attempts, ..account() }.render(language);
        states.push(state(format!("account_failed_attempts_{attempts}"), render));
    }
    for notice in Notice::ALL {
        let last_token = (notice == Notice::AppRevoked).then_some(RemainingLife::Minutes(42));
        let render = move |language| {
            AccountPage { notice: Some(notice), last_token, ..account() }.render(language)
        };
        states.push(state(format!("account_{}", notice.as_str()), render));
    }
    states
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
