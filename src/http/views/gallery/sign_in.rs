//! The pages around signing in: password, organization and site.

use uuid::Uuid;

use super::*;

pub(super) fn states() -> Vec<State> {
    let mut states = vec![
        state("login", |language| {
            LoginPage { request: None, app: None, ..login() }.render(language)
        }),
        state("login_for_client", |language| login().render(language)),
        state("password_for_client", |language| choose_password().render(language)),
        state("organization", |language| organizations().render(language)),
        state("site", |language| sites().render(language)),
        state("disabled", |language| disabled(Some(REASON)).render(language)),
        state("connect", |language| connect(false, 1).render(language)),
        state("connect_private", |language| connect(true, 2).render(language)),
        state("connect_without_url", |language| {
            ConnectPage { host: None, ..connect(true, 1) }.render(language)
        }),
        state("tiles", |language| tiles().render(language)),
        state("tiles_none", |language| TilesPage { tiles: Vec::new() }.render(language)),
        state("not_permitted", |language| not_permitted().render(language)),
        state("disabled_without_reason", |language| disabled(None).render(language)),
        state("signed_out", |language| SignedOutPage.render(language)),
    ];
    for (name, failure) in [
        ("wrong", LoginFailure::WrongCredentials),
        ("too_many", LoginFailure::TooMany { seconds: 40 }),
        ("busy", LoginFailure::Busy),
    ] {
        let render = move |language| {
            LoginPage { failure: Some(failure), email: EMAIL.to_owned(), ..login() }
                .render(language)
        };
        states.push(state(format!("login_for_client_{name}"), render));
    }
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
        states.push(state(format!("choose_password_{name}"), render));
    }
    states
}

pub fn login() -> LoginPage {
    LoginPage {
        request: Some(REQUEST.to_owned()),
        connect: None,
        csrf: CSRF.to_owned(),
        email: String::new(),
        app: Some(app_name("Example Assistant", None)),
        failure: None,
    }
}

pub fn choose_password() -> ChoosePasswordPage {
    ChoosePasswordPage {
        request: Some(REQUEST.to_owned()),
        csrf: CSRF.to_owned(),
        email: EMAIL.to_owned(),
        failure: None,
    }
}

fn organizations() -> ChooseOrganizationPage {
    let org = |id: u128, name: &str| (OrgId(Uuid::from_u128(id)), name.to_owned());
    ChooseOrganizationPage {
        request: REQUEST.to_owned(),
        csrf: CSRF.to_owned(),
        app: app_name("Example Assistant", None),
        orgs: vec![
            org(1, "Example Works"),
            org(2, "Example Works, test"),
            org(3, &"Long name ".repeat(30)),
        ],
    }
}

fn connect(is_private: bool, orgs: u128) -> ConnectPage {
    let catalog = ScopeCatalog::from_toml(SHIPPED).expect("a catalog");
    let scopes = ScopeSet::parse("openid mcp_read mcp_write").expect("scopes");
    let none = ScopeSet::default();
    ConnectPage {
        id: "0190a0b0-36a6-7000-b21b-da7ad0900002".to_owned(),
        csrf: CSRF.to_owned(),
        name: "Example Pager".to_owned(),
        publisher: "Example Works".to_owned(),
        description: Some("Wakes the right people when something breaks.".to_owned()),
        is_private,
        host: Some("pager.example".to_owned()),
        groups: ScopeGroup::list(&catalog, &scopes, &none, &none),
        orgs: (1..=orgs)
            .map(|id| (OrgId(Uuid::from_u128(id)), format!("Example Works {id}")))
            .collect(),
    }
}

fn tiles() -> TilesPage {
    let tile = |name: &str, description: Option<&str>| TileEntry {
        id: "0190a0b0-36a6-7000-b21b-da7ad0900002".to_owned(),
        name: name.to_owned(),
        publisher: "Example Works".to_owned(),
        description: description.map(str::to_owned),
    };
    TilesPage {
        tiles: vec![
            tile("Example Pager", Some("Wakes the right people when something breaks.")),
            tile(&"Long name ".repeat(10), None),
        ],
    }
}

fn not_permitted() -> NotPermittedPage {
    let missing = [("org_management", "Change the settings of the organization")];
    NotPermittedPage {
        request: REQUEST.to_owned(),
        csrf: CSRF.to_owned(),
        app: app_name("Example Pager", None),
        org_name: "Example Works".to_owned(),
        missing: missing
            .map(|(name, description)| (name.to_owned(), description.to_owned()))
            .to_vec(),
    }
}

const REASON: &str = "It is under review until the end of the month. Use Notes in the meantime.";

fn disabled(reason: Option<&str>) -> DisabledPage {
    DisabledPage {
        request: REQUEST.to_owned(),
        csrf: CSRF.to_owned(),
        app: app_name("Example Assistant", None),
        org_name: "Example Works".to_owned(),
        reason: reason.map(str::to_owned),
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
