//! The pages for people. The OpenAPI document leaves them out.

use crate::http::middleware::policy::Policy;
use crate::http::pages::{
    account, connect, consent, disabled, invitation, login, not_permitted, organization, password,
};
use crate::http::redirect::see_other;
use crate::http::routes::access::BROWSER;
use crate::http::routes::route::{Route, get, post};
use crate::http::views::style;

/// The steps of a pending authorization request, and signing in without one.
pub fn sign_in() -> Vec<Route> {
    vec![
        Route {
            path: "/login",
            policy: Policy::PAGE,
            operations: vec![get(BROWSER, login::show), post(BROWSER, login::submit)],
        },
        Route {
            path: "/logout",
            policy: Policy::PAGE,
            operations: vec![post(BROWSER, login::sign_out_here)],
        },
        Route {
            path: "/password",
            policy: Policy::PAGE,
            operations: vec![get(BROWSER, password::show), post(BROWSER, password::submit)],
        },
        Route {
            path: "/organization",
            policy: Policy::PAGE,
            operations: vec![get(BROWSER, organization::show), post(BROWSER, organization::choose)],
        },
        Route {
            path: "/choose-site",
            policy: Policy::PAGE,
            operations: vec![get(BROWSER, organization::choose_site)],
        },
        Route {
            path: "/consent",
            policy: Policy::PAGE,
            operations: vec![get(BROWSER, consent::show)],
        },
        Route {
            path: "/disabled",
            policy: Policy::PAGE,
            operations: vec![get(BROWSER, disabled::show)],
        },
        Route {
            path: "/not-permitted",
            policy: Policy::PAGE,
            operations: vec![get(BROWSER, not_permitted::show)],
        },
        Route {
            path: "/connect",
            policy: Policy::PAGE,
            operations: vec![get(BROWSER, connect::list)],
        },
        Route {
            path: "/connect/{client_id}",
            policy: Policy::PAGE,
            operations: vec![get(BROWSER, connect::show), post(BROWSER, connect::begin)],
        },
    ]
}

/// Where an invited person joins an organization.
pub fn invitations() -> Vec<Route> {
    vec![Route {
        path: "/invitation/{token}",
        policy: Policy::PAGE,
        operations: vec![get(BROWSER, invitation::show), post(BROWSER, invitation::accept)],
    }]
}

pub fn account_pages() -> Vec<Route> {
    vec![
        Route {
            path: "/",
            policy: Policy::ASSET,
            operations: vec![get(BROWSER, || async { see_other("/account") })],
        },
        Route {
            path: "/account",
            policy: Policy::PAGE,
            operations: vec![get(BROWSER, account::show)],
        },
        Route {
            path: "/account/revoke",
            policy: Policy::PAGE,
            operations: vec![post(BROWSER, account::revoke)],
        },
        Route {
            path: "/account/password",
            policy: Policy::PAGE,
            operations: vec![post(BROWSER, account::password)],
        },
        Route {
            path: "/account/sessions/end",
            policy: Policy::PAGE,
            operations: vec![post(BROWSER, account::end_session)],
        },
        Route {
            path: "/account/sessions/end-others",
            policy: Policy::PAGE,
            operations: vec![post(BROWSER, account::end_others)],
        },
        Route {
            path: "/style.css",
            policy: Policy::ASSET,
            operations: vec![get(BROWSER, style).compressed()],
        },
    ]
}
