//! A user with a real browser against the program. Screenshots of every page are written to
//! `target/screenshots`.

use serde_json::{Value, json};

use super::script::{node, target, text};
use crate::support::{Engine, Program, Running};

#[tokio::test]
async fn a_user_can_sign_in_allow_less_refuse_and_end_access() {
    let program = Program::on(Engine::Sqlite).await;
    let user = program.bootstrap()["user"].clone();
    let newcomer =
        ["user", "create", "--org", "Acme", "--email", "bob@acme.example", "--role", "standard"];
    let newcomer = program.json(&newcomer);
    let _server = program.start();

    let mut browser = node("browser_journey.mjs");
    browser
        .args([program.url().as_str(), text(&user["email"]), text(&user["password"])])
        .arg(target().join("screenshots"))
        .args([text(&newcomer["email"]), text(&newcomer["password"])]);
    let report = Running::spawn(browser, "").finish().json();

    let agreed = back(
        &program,
        &["code", "dd_oid", "dd_org_name", "domain", "iss", "site", "state"],
        Value::Null,
    );
    let expected = json!({
        "approved": {
            "wrong": {
                "path": "/login", "email_is_kept": true, "password_is_kept": false, "alert_is_there": true,
            },
            "consent": {
                "path": "/consent",
                "names_the_client": true,
                "names_the_person": true,
                "may_be_unticked": ["dashboards_read", "email", "mcp_read"],
            },
            "back": agreed,
            "granted": ["email", "mcp_read", "openid"],
        },
        "refused": back(
            &program,
            &["error", "error_description", "iss", "state"],
            json!("access_denied"),
        ),
        "keyboard": {
            // dashboards_read was already cleared on the first page.
            "after_enter": {"path": "/oauth2/v1/authorize", "cleared": ["dashboards_read", "email"]},
            "back": agreed,
            "unseen": [],
        },
        "without_javascript": agreed,
        "account": {"listed": true, "listed_after": false, "refresh": "400 invalid_grant"},
        "stranger": {"status": 400, "path": "/oauth2/v1/authorize"},
        "printed_password": {
            "first": "/password",
            "refused": {"path": "/password", "alert_is_there": true},
            "back": agreed,
        },
        "seen": [
            "login", "login-failed", "consent", "account", "account-revoked", "unknown-client", "choose-password",
            "choose-password-refused",
        ],
        "faults": [],
        "complaints": [],
    });
    assert_eq!(report, expected);
}

/// The parameters that the client receives in the redirect.
fn back(program: &Program, names: &[&str], error: Value) -> Value {
    json!({"names": names, "state_is_ours": true, "iss": program.url(), "error": error})
}
