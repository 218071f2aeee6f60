//! Rules for every page: cookies, CSRF protection of forms, and security headers.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::Method;
use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use crate::support::flow::{
    AUTHORIZE, CHALLENGE, Form, McpClient, PASSWORD, Person, encoded, set_cookies,
};
use crate::support::{Answer, Engine, Program, TestApp, TestOperator, plain_http, request};

const REDIRECT: &str = "https://app.example/cb";
const EVE: &str = "eve@mail.example";
const HTTPS: (&str, &str) = ("http.public_url", "https://auth.example.com");

async fn stage(app: &TestApp) -> (TestOperator<'_>, McpClient<'_>, Person<'_>) {
    let acme = app.operator("Acme").await;
    let eve = acme.person(EVE, Role::Standard).await;
    (acme, McpClient::registered(app, &[REDIRECT]).await, eve)
}

/// Every form of every page, as a signed-in browser gets it.
async fn forms(
    eve: &mut Person<'_>,
    (acme, umbra): (&TestOperator<'_>, &TestOperator<'_>),
    client: &McpClient<'_>,
) -> Vec<Form> {
    let login = eve.open("/login").await;
    let login = eve.login(&login);
    let consent = eve.opens_consent(&client.url(&[("dd_oid", &acme.org_id.to_string())])).await;
    eve.in_new_browser().signs_in().await;
    umbra.adds_member(eve, Role::Standard).await;
    let other = eve.visit(&client.url(&[("state", "other")])).await;
    let choice = Form::on(&other, "/organization").with("org", &umbra.org_id.to_string());
    let account = eve.open("/account").await;
    vec![
        Form::on(&account, "/account/password")
            .with("current", PASSWORD)
            .with("new", "another battery staple"),
        Form::on(&account, "/account/sessions/end"),
        Form::on(&account, "/account/sessions/end-others"),
        Form::on(&account, "/logout").with("csrf", login.all_of("csrf")[0]),
        Form { action: "/account/revoke".to_owned(), ..Form::on(&account, "/logout") }
            .with("grant", "x"),
        choice,
        Form::refusing(&consent),
        Form::approving(&consent),
        login,
    ]
}

fn is_forged(answer: &Answer, what: &str) {
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (403, None),
        "{what}: {}",
        answer.text
    );
    assert_eq!(answer.header("set-cookie"), None, "{what}");
    assert!(
        answer.text.contains("did not come from a page of this server"),
        "{what}: {}",
        answer.text
    );
}

on_both! {
    async fn every_form_requires_the_csrf_token_of_its_browser(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let umbra = app.operator("Umbra").await;
        let forms = forms(&mut eve, (&acme, &umbra), &client).await;
        let mut mallory = Person::new(&app, "mallory@mail.example");
        let foreign = Form::on(&mallory.open("/login").await, "/login").all_of("csrf")[0].to_owned();

        for form in &forms {
            let (own, binding) = (form.all_of("csrf")[0].to_owned(), eve.cookies["browser"].clone());
            let what = form.action.as_str();
            for token in ["", &foreign, &own[1..], &own.to_lowercase(), &binding] {
                is_forged(&eve.submit(&form.clone().with("csrf", token)).await, what);
            }
            is_forged(&eve.submit(&form.clone().without("csrf")).await, what);
            let mut without_binding = eve.clone();
            without_binding.cookies.remove("browser");
            is_forged(&without_binding.submit(form).await, what);
        }
        // None of them had an effect.
        client.code(&eve.submit(&forms[7]).await);
        assert_eq!(Form::all(&eve.open("/account").await, "/account/sessions/end").len(), 1);
        eve.in_new_browser().signs_in().await;
    }

    async fn every_form_is_refused_if_the_browser_reports_another_origin(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let umbra = app.operator("Umbra").await;
        let forms = forms(&mut eve, (&acme, &umbra), &client).await;
        let elsewhere = [
            ("origin", "https://evil.example"),
            ("origin", "http://127.0.0.1:8081"),
            ("origin", "https://127.0.0.1:8080"),
            ("origin", "http://127.0.0.1:8080.evil.example"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ];
        for form in &forms {
            for (name, value) in elsewhere {
                let mut eve = eve.with_header(name, value);
                is_forged(&eve.submit(form).await, &format!("{} {name}: {value}", form.action));
            }
        }
        let mut eve = eve.with_header("origin", "http://127.0.0.1:8080").with_header("sec-fetch-site", "same-origin");
        client.code(&eve.submit(&forms[7]).await);
    }

    async fn the_refusal_of_a_forged_form_has_the_same_reason_for_programs(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let page = eve.opens_consent(&client.url(&[])).await;
        let mut program = eve.with_header("accept", "application/json");

        let answer = program.submit(&Form::approving(&page).without("csrf")).await;

        let words = "the form did not come from a page of this server in this browser";
        answer.is(403, &json!({"errors": [words]}));
    }

    async fn on_https_every_cookie_has_the_host_prefix(engine: Engine) {
        let app = TestApp::with(engine, &[HTTPS]).await;
        let (_acme, client, mut eve) = stage(&app).await;

        let begun = eve.open(&client.url(&[])).await;
        let login = eve.visit(begun.header("location").expect("a location")).await;
        let signed_in = eve.submit(&eve.login(&login)).await;

        let shape = |line: &str| {
            let (name, rest) = line.split_once('=').expect("a pair");
            let (value, attributes) = rest.split_once(';').expect("attributes");
            assert!(value.len() >= 43, "{line}");
            (name.to_owned(), attributes.trim().to_owned())
        };
        let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, attributes)| ((*name).to_owned(), (*attributes).to_owned())).collect()
        };
        let common = "Path=/; HttpOnly; SameSite=Lax; Secure";
        let begun: Vec<_> = set_cookies(&begun).into_iter().map(shape).collect();
        let signed_in: Vec<_> = set_cookies(&signed_in).into_iter().map(shape).collect();
        assert_eq!(begun, owned(&[("__Host-browser", common)]));
        let session = format!("{common}; Max-Age=86400");
        let known = format!("{common}; Max-Age=15724800");
        assert_eq!(signed_in, owned(&[("__Host-sid", &session), ("__Host-known_browser", &known)]));
    }

    async fn on_https_cookies_without_the_prefix_are_ignored(engine: Engine) {
        let app = TestApp::with(engine, &[HTTPS]).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let page = eve.opens_consent(&client.url(&[])).await;
        let mut planted = eve.clone();
        planted.cookies =
            eve.cookies.iter().map(|(name, value)| (name.replace("__Host-", ""), value.clone())).collect();

        let account = planted.open("/account").await;
        is_forged(&planted.submit(&Form::approving(&page)).await, "planted");

        assert_eq!(account.header("location"), Some("/login"));
        client.code(&eve.submit(&Form::approving(&page)).await);
    }

    async fn a_browser_keeps_its_binding_and_gets_none_without_a_pending_request(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;

        let begun = eve.open(&client.url(&[])).await;
        let again = eve.open(&client.url(&[])).await;
        let fatal = eve.in_new_browser().open(AUTHORIZE).await;

        let binding = set_cookies(&begun);
        assert_eq!(binding.len(), 1);
        assert!(
            binding[0].starts_with("browser=") && binding[0].ends_with("; Path=/; HttpOnly; SameSite=Lax"),
            "{binding:?}"
        );
        assert_eq!((set_cookies(&again), set_cookies(&fatal)), (Vec::new(), Vec::new()));
    }

    async fn a_form_of_another_site_keeps_the_binding_and_the_pending_requests(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let page = eve.opens_consent(&client.url(&[])).await;
        let query = client.query(&[("state", "of another site"), ("scope", "openid email")]);
        let form = Form { action: AUTHORIZE.to_owned(), fields: pairs(&query) };

        // The browser sends such a form without the cookies, because they are SameSite=Lax.
        let mut cross_site = Person { cookies: BTreeMap::new(), ..eve.with_header("sec-fetch-site", "cross-site") };
        let answer = cross_site.submit(&form).await;

        assert_eq!((answer.status.as_u16(), set_cookies(&answer)), (303, Vec::new()), "{}", answer.text);
        let location = answer.header("location").expect("a location").to_owned();
        let (path, sent) = location.split_once('?').expect("a query");
        assert_eq!((path, pairs(sent)), (AUTHORIZE, pairs(&query)), "the same request");
        // It follows the redirect with the cookies.
        let shown = eve.with_header("sec-fetch-site", "cross-site").visit(&location).await;
        assert_eq!((shown.status.as_u16(), set_cookies(&shown)), (200, Vec::new()), "{}", shown.text);
        client.code(&eve.submit(&Form::approving(&shown)).await);
        client.code(&eve.submit(&Form::approving(&page)).await);
    }

    async fn a_new_browser_gets_its_binding_after_a_form(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let form = Form { action: AUTHORIZE.to_owned(), fields: pairs(&client.query(&[])) };

        let begun = eve.submit(&form).await;
        let login = eve.follow(begun).await;
        let page = eve.signs_in_on(&login).await;
        client.code(&eve.submit(&Form::approving(&page)).await);
    }

    async fn the_not_found_page_shows_the_request_id_as_its_reference(engine: Engine) {
        let app = TestApp::start(engine).await;
        let page = Person::new(&app, EVE).open("/nowhere").await;

        let reference = page.header("x-request-id").expect("a request id");
        assert_eq!(page.status, 404);
        assert!(page.text.contains(&format!("<code>{reference}</code>")), "{}", page.text);
    }

    async fn every_page_has_the_security_headers(engine: Engine) {
        let app = TestApp::with(engine, &[HTTPS, ("sites.hosts", "auth.example.com,us.example.com")]).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let umbra = app.operator("Umbra").await;
        let to_login = [("domain", "auth.example.com")];

        let sites = eve.visit(&client.url(&[])).await;
        let plain_login = eve.open("/login").await;
        let login = eve.visit(&client.url(&to_login)).await;
        let failed = eve.submit(&eve.login(&login).with("password", "wrong")).await;
        let consent = eve.signs_in_on(&login).await;
        umbra.adds_member(&eve, Role::Standard).await;
        let organization = eve.visit(&client.url(&to_login)).await;
        let account = eve.open("/account").await;
        let problem = eve.open(AUTHORIZE).await;
        let signed_out = eve.submit(&Form::on(&account, "/logout")).await;

        let strict =
            "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";
        // Browsers apply form-action to the client's redirect too.
        let to_client = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'";
        let pages = [
            (sites, 200, strict),
            (plain_login, 200, strict),
            (login, 200, to_client),
            (failed, 403, to_client),
            (consent, 200, to_client),
            (organization, 200, to_client),
            (account, 200, strict),
            (problem, 400, strict),
            (signed_out, 200, strict),
        ];
        for (page, status, policy) in pages {
            assert_eq!(page.status.as_u16(), status, "{}", page.text);
            let names = [
                "content-security-policy",
                "content-type",
                "x-frame-options",
                "x-content-type-options",
                "referrer-policy",
                "cache-control",
                "cross-origin-opener-policy",
                "strict-transport-security",
                "access-control-allow-origin",
            ];
            let expected = [
                Some(policy),
                Some("text/html; charset=utf-8"),
                Some("DENY"),
                Some("nosniff"),
                Some("no-referrer"),
                Some("no-store"),
                Some("same-origin"),
                Some("max-age=31536000"),
                None,
            ];
            assert_eq!(names.map(|name| page.header(name)), expected, "{}", page.text);
            assert!(page.header("permissions-policy").is_some_and(|value| value.contains("camera=()")));
            assert!(!page.text.contains("<script") && !page.text.contains(" onclick"), "{}", page.text);
        }
    }

    async fn pages_have_no_cors_headers(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, eve) = stage(&app).await;
        let mut script = eve.with_header("origin", "https://evil.example");
        for url in [client.url(&[]).as_str(), "/login", "/account"] {
            let answer = script.open(url).await;
            let allowed = answer.headers.keys().filter(|name| name.as_str().starts_with("access-control-"));
            assert_eq!(allowed.count(), 0, "{url}");
        }
    }

    async fn the_stylesheet_is_served_by_this_server(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut eve = Person::new(&app, EVE);
        let page = eve.open("/login").await;
        let url =
            page.text.split("stylesheet\" href=\"").nth(1).and_then(|tail| tail.split('"').next()).expect("a link");

        let style = eve.open(url).await;

        assert_eq!((style.status.as_u16(), style.header("content-type")), (200, Some("text/css; charset=utf-8")));
        assert!(!style.text.contains("url(") && !style.text.contains("@import"), "{}", style.text);
    }

    async fn a_rate_limited_browser_gets_a_page_with_retry_after(engine: Engine) {
        let app = TestApp::with(engine, &[("limits.requests_per_minute", "2")]).await;
        let mut eve = Person::new(&app, EVE).with_header("accept-language", "de");
        eve.open("/login").await;

        let limited = eve.open("/login").await;
        let program = app.get("/login").await;

        assert_eq!((limited.status.as_u16(), limited.header("retry-after")), (429, Some("30")), "{}", limited.text);
        assert_eq!(limited.header("content-language"), Some("de"));
        assert_eq!((program.status.as_u16(), program.header("content-type")), (429, Some("application/json")));
    }

    async fn a_form_that_is_too_large_or_of_another_type_has_its_own_status(engine: Engine) {
        let app = TestApp::start(engine).await;
        let too_large = format!("email={}", "x".repeat(70_000));
        let cases = [("application/x-www-form-urlencoded", too_large.as_str(), 413), ("application/json", "{}", 415)];
        for path in ["/login", "/logout", "/organization", "/account/revoke", AUTHORIZE] {
            for (kind, body, status) in cases {
                let post = request(Method::POST, path).header("content-type", kind).header("accept", "text/html");
                let answer = app.send(post.body(Body::from(body.to_owned())).expect("a request")).await;
                assert_eq!(answer.status.as_u16(), status, "{path} {kind}");
            }
        }
    }

    async fn a_method_that_is_not_allowed_returns_a_page(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut eve = Person::new(&app, EVE);
        for (path, allow) in [("/logout", "POST"), ("/account/password", "POST"), ("/account/revoke", "POST")] {
            let answer = eve.open(path).await;
            assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some(allow)), "{path}");
            assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{path}: {}", answer.text);
        }
    }
}

fn pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// Sends a request to the program with the cookies from the responses so far.
fn ask(
    program: &Program,
    cookies: &mut Vec<String>,
    method: &str,
    path: &str,
    body: &str,
) -> Answer {
    let cookie = cookies.join("; ");
    let kind = "application/x-www-form-urlencoded";
    let headers = [("Cookie", cookie.as_str()), ("Accept", "text/html"), ("Content-Type", kind)];
    let answer =
        plain_http::ask(program.address(), method, path, &headers, body).expect("an answer");
    cookies.extend(
        set_cookies(&answer).iter().filter_map(|line| line.split(';').next()).map(str::to_owned),
    );
    answer
}

#[tokio::test]
async fn no_cookie_code_or_password_is_in_the_log() {
    let program = Program::on(Engine::Sqlite).await.with("GRANTOR_LOG__LEVEL", "trace");
    let user = program.bootstrap()["user"].clone();
    let server = program.start();
    let registration = json!({"client_name": "Editor", "redirect_uris": [REDIRECT]});
    let client_id =
        server.post("/api/v2/oauth2/register", &registration).json()["client_id"].clone();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let query = format!(
        "response_type=code&client_id={}&redirect_uri={REDIRECT}&state=state-of-the-client&nonce=nonce-of-the-client\
         &login_hint=hint-of-the-client&code_challenge={CHALLENGE}&code_challenge_method=S256",
        text(&client_id)
    );
    let cookies = &mut Vec::new();
    let location = |answer: &Answer| answer.header("location").expect("a location").to_owned();
    let body = |form: &Form| {
        encoded(form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    };

    let begun = ask(&program, cookies, "GET", &format!("{AUTHORIZE}?{query}"), "");
    let login = ask(&program, cookies, "GET", &location(&begun), "");
    let form = Form::on(&login, "/login").with("email", &text(&user["email"]));
    let failed = ask(
        &program,
        cookies,
        "POST",
        "/login",
        &body(&form.clone().with("password", "a-wrong-password")),
    );
    let right = ask(
        &program,
        cookies,
        "POST",
        "/login",
        &body(&form.with("password", &text(&user["password"]))),
    );
    let consent = ask(&program, cookies, "GET", &location(&right), "");
    let answer = ask(&program, cookies, "POST", AUTHORIZE, &body(&Form::approving(&consent)));
    let log = server.stop().stderr;

    assert_eq!((failed.status.as_u16(), answer.status.as_u16()), (403, 303), "{}", answer.text);
    let location = location(&answer);
    let code = location
        .split("code=")
        .nth(1)
        .and_then(|tail| tail.split('&').next())
        .expect("a code")
        .to_owned();
    let password = text(&user["password"]);
    let form = Form::approving(&consent);
    let mut secrets =
        vec![code.as_str(), &password, "a-wrong-password", "of-the-client", CHALLENGE];
    secrets.extend(cookies.iter().filter_map(|cookie| cookie.split('=').nth(1)));
    secrets.extend([form.all_of("csrf")[0], form.all_of("request")[0]]);
    assert_eq!(secrets.len(), 10, "three cookies among them");
    for secret in secrets {
        assert_eq!(log.lines().find(|line| line.contains(secret)), None, "{secret}");
    }
    assert!(log.contains("client authorized") && log.contains("signed in"), "{log}");
}
