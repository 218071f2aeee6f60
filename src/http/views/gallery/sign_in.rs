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
