//! Pending requests: on any replica, for ten minutes, in one browser, for one answer.

use std::time::Duration;

use futures_util::future::join_all;
use grantor::db::authorizations::requests;
use grantor::rules::identity::permission::Role;
use serde_json::json;

use crate::support::flow::{AUTHORIZE, Form, McpClient, Person, encoded};
use crate::support::{Answer, Engine, TestApp};

const REDIRECT: &str = "https://app.example/cb";
const BEHIND_A_PROXY: (&str, &str) = ("http.trusted_proxies", "127.0.0.1");
const EVE: &str = "eve@mail.example";
const OVER: &str =
    "the request was already answered, has expired, or was started in another browser";

/// Asserts the text of the page, and that nothing redirects.
fn is_over(answer: &Answer) {
    assert_eq!((answer.status.as_u16(), answer.header("location")), (400, None), "{}", answer.text);
    assert!(answer.text.contains("This request is no longer valid"), "{}", answer.text);
}

fn handle(page: &Answer) -> String {
    Form::on(page, AUTHORIZE).all_of("request")[0].to_owned()
}

const ONE_WAITS: [(&str, &str); 2] = [BEHIND_A_PROXY, ("limits.waiting_requests_per_source", "1")];

async fn rows(app: &TestApp) -> u64 {
    requests::count(app.db(), app.context().clock.now(), 100).await.expect("are counted")
}

/// Revokes all grants in the middle of the next request, after it has read the grants.
async fn take_back_during_the_answer(app: &TestApp, engine: Engine) {
    const SQLITE: &str =
        "CREATE TRIGGER taken_back AFTER UPDATE ON org_clients BEGIN DELETE FROM grant_scopes; END";
    const POSTGRES: &str = "
        CREATE FUNCTION take_back() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN DELETE FROM grant_scopes; RETURN NEW; END';
        CREATE TRIGGER taken_back AFTER UPDATE ON org_clients FOR EACH ROW EXECUTE FUNCTION take_back()";
    app.execute(if engine == Engine::Sqlite { SQLITE } else { POSTGRES }).await;
}

async fn take_back_nothing_more(app: &TestApp, engine: Engine) {
    const POSTGRES: &str = "DROP TRIGGER taken_back ON org_clients";
    app.execute(if engine == Engine::Sqlite { "DROP TRIGGER taken_back" } else { POSTGRES }).await;
}

on_both! {
    async fn each_step_may_be_served_by_another_replica(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (second, third) = (app.replica().await, app.replica().await);
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut here = acme.person(EVE, Role::Standard).await;

        let begun = here.open(&client.url(&[])).await;
        let mut there = here.on(&second);
        let login = there.follow(begun).await;
        let mut elsewhere = there.on(&third);
        let signed_in = elsewhere.submit(&elsewhere.login(&login)).await;
        let mut here = elsewhere.on(&app);
        let page = here.follow(signed_in).await;
        let answer = here.on(&second).submit(&Form::approving(&page)).await;

        let client = McpClient { app: &third, id: client.id.clone(), redirect_uri: client.redirect_uri.clone() };
        assert_eq!(client.scopes(&answer).await, "email mcp_read openid profile");
    }

    async fn a_request_expires_after_ten_minutes(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &["http://localhost/cb"]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;

        let page = eve.opens_consent(&client.url(&[])).await;
        app.clock.advance(Duration::from_secs(599));
        let in_time = eve.submit(&Form::approving(&page)).await;
        let page = eve.opens_consent(&client.url(&[])).await;
        app.clock.advance(Duration::from_secs(600));

        client.code(&in_time);
        let request = handle(&page);
        for path in ["consent", "login", "organization", "choose-site"] {
            is_over(&eve.open(&format!("/{path}?request={request}")).await);
        }
        is_over(&eve.submit(&Form::refusing(&page)).await);
        is_over(&eve.submit(&Form::approving(&page)).await);
    }

    async fn an_expired_login_page_signs_nobody_in(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let page = eve.visit(&client.url(&[])).await;
        app.clock.advance(Duration::from_secs(601));

        is_over(&eve.submit(&eve.login(&page)).await);

        assert!(!eve.cookies.contains_key("sid"));
    }

    async fn a_request_can_be_answered_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let page = eve.opens_consent(&client.url(&[])).await;

        let approved = eve.submit(&Form::approving(&page)).await;
        let again = eve.submit(&Form::approving(&page)).await;
        let refused = eve.submit(&Form::refusing(&page)).await;
        let asked_anew = eve.visit(&client.url(&[("prompt", "consent")])).await;
        let canceled = eve.submit(&Form::refusing(&asked_anew)).await;
        let regretted = eve.submit(&Form::approving(&asked_anew)).await;

        client.code(&approved);
        is_over(&again);
        is_over(&refused);
        client.is_refused(&canceled, "access_denied", "the user did not agree");
        is_over(&regretted);
    }

    async fn only_one_of_many_concurrent_answers_succeeds(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let page = eve.opens_consent(&client.url(&[])).await;
        let (approving, refusing) = (Form::approving(&page), Form::refusing(&page));

        let clicks = (0..8).map(|number| {
            let mut eve = if number % 2 == 0 { eve.clone() } else { eve.on(&replica) };
            let form = if number < 6 { &approving } else { &refusing };
            async move { eve.submit(form).await }
        });
        let answers = join_all(clicks).await;

        let (answered, over): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 303);
        assert_eq!((answered.len(), over.len()), (1, 7), "{answers:?}");
        over.into_iter().for_each(is_over);
    }

    async fn another_browser_can_neither_read_nor_answer_the_request(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut mallory = acme.person("mallory@mail.example", Role::Standard).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let hers = eve.opens_consent(&client.url(&[])).await;
        let his = mallory.opens_consent(&client.url(&[])).await;
        let request = handle(&his);

        for path in ["consent", "login", "organization", "choose-site"] {
            is_over(&eve.open(&format!("/{path}?request={request}")).await);
            is_over(&Person::new(&app, "").open(&format!("/{path}?request={request}")).await);
        }
        // With her own CSRF token, as on a page of her browser.
        is_over(&eve.submit(&Form::approving(&hers).with("request", &request)).await);
        is_over(&eve.submit(&Form::refusing(&hers).with("request", &request)).await);
        let mut signed_out = eve.in_new_browser();
        let login = signed_out.open("/login").await;
        is_over(&signed_out.submit(&signed_out.login(&login).and("request", &request)).await);
        assert!(!signed_out.cookies.contains_key("sid"));

        // His own browser still can answer.
        client.code(&mallory.submit(&Form::approving(&his)).await);
        client.code(&eve.submit(&Form::approving(&hers)).await);
    }

    async fn a_session_alone_cannot_answer_a_request(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let page = eve.opens_consent(&client.url(&[])).await;
        let mut without = eve.clone();
        without.cookies.remove("browser");
        let mut planted = eve.clone();
        planted.cookies.insert("browser".to_owned(), "planted-by-somebody-else".to_owned());

        let forged = [without.submit(&Form::approving(&page)).await, planted.submit(&Form::approving(&page)).await];

        for answer in forged {
            assert_eq!((answer.status.as_u16(), answer.header("location")), (403, None), "{}", answer.text);
        }
        client.code(&eve.submit(&Form::approving(&page)).await);
    }

    async fn additional_form_fields_are_ignored(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let umbra = app.operator("Umbra").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let other = McpClient::registered(&app, &["https://evil.example/cb"]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let page = eve.opens_consent(&client.url(&[("scope", "openid email")])).await;
        let tampered = Form::approving(&page)
            .and("scope", "metrics_read")
            .and("scope", "api_keys_write")
            .and("scope", "a\"b")
            .and("client_id", &other.id)
            .and("redirect_uri", "https://evil.example/cb")
            .and("state", "planted")
            .and("response_type", "token")
            .and("code_challenge", "plain")
            .and("code_challenge_method", "plain")
            .and("resource", "https://evil.example")
            .and("nonce", "planted")
            .and("dd_oid", &umbra.org_id.to_string())
            .and("org", &umbra.org_id.to_string())
            .and("org_id", &umbra.org_id.to_string())
            .and("user_id", "1");

        let answer = eve.submit(&tampered).await;

        let params = client.redirect_params(&answer);
        assert_eq!(params.get("state"), Some(crate::support::flow::STATE));
        assert_eq!(params.get("dd_org_name"), Some("Acme"));
        assert_eq!(client.scopes(&answer).await, "email openid");
    }

    async fn an_unknown_decision_grants_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        eve.signs_in().await;
        for decision in ["Approve", "approve ", "yes", "1"] {
            let page = eve.visit(&client.url(&[])).await;
            let answer = eve.submit(&Form::approving(&page).with("decision", decision)).await;
            client.is_refused(&answer, "access_denied", "the user did not agree");
        }
        for form in [
            |page: &Answer| Form::approving(page).and("decision", "approve"),
            |page: &Answer| Form::approving(page).with("decision", ""),
            |page: &Answer| Form::approving(page).and("request", &handle(page)),
        ] {
            let page = eve.visit(&client.url(&[])).await;
            let answer = eve.submit(&form(&page)).await;
            assert_eq!((answer.status.as_u16(), answer.header("location")), (400, None), "{}", answer.text);
        }
    }

    async fn a_get_request_decides_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let page = eve.opens_consent(&client.url(&[("scope", "email")])).await;
        let form = Form::approving(&page);
        let query = encoded(form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));

        let by_link = eve.open(&format!("{AUTHORIZE}?{query}")).await;
        let looked_at_again = eve.open(&format!("/consent?{query}")).await;

        assert_eq!((by_link.status.as_u16(), by_link.header("location")), (400, None), "{}", by_link.text);
        assert_eq!(looked_at_again.text, page.text);
        client.code(&eve.submit(&form).await);
    }

    async fn an_unknown_handle_shows_the_expired_page(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let page = eve.opens_consent(&client.url(&[])).await;
        let cut = handle(&page);
        let long = "x".repeat(4_000);

        for request in ["x", &cut[1..], &cut[..cut.len() - 1], "../../login", "https://evil.example", &long] {
            let query = encoded([("request", request)].into_iter());
            for path in ["consent", "login", "organization", "choose-site"] {
                is_over(&eve.open(&format!("/{path}?{query}")).await);
            }
            is_over(&eve.submit(&Form::approving(&page).with("request", request)).await);
        }
        for path in ["consent", "organization", "choose-site"] {
            is_over(&eve.open(&format!("/{path}")).await);
        }
        let program = app.get("/consent?request=x").await;
        program.is(400, &json!({"errors": [OVER]}));
    }

    async fn the_pending_requests_of_one_address_are_limited(engine: Engine) {
        let settings = [BEHIND_A_PROXY, ("limits.waiting_requests_per_source", "2")];
        let app = TestApp::with(engine, &settings).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let from = |address: &str| Person::new(&app, EVE).with_header("x-forwarded-for", address);
        for _ in 0..2 {
            assert_eq!(from("203.0.113.1").open(&client.url(&[])).await.status, 303);
        }

        let refused = from("203.0.113.1").open(&client.url(&[])).await;
        let silent = from("203.0.113.1").open(&client.url(&[("prompt", "none")])).await;
        let elsewhere = from("198.51.100.1").open(&client.url(&[])).await;

        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, Some("300")), "{}", refused.text);
        assert!(refused.text.contains("Too many sign-ins are in progress"), "{}", refused.text);
        client.is_refused(&silent, "login_required", "the user has to sign in");
        assert_eq!(elsewhere.status, 303);
        assert_eq!(rows(&app).await, 3);
        app.clock.advance(Duration::from_secs(300));
        let later = from("203.0.113.1").open(&client.url(&[])).await;
        assert_eq!(later.status, 303);
        let mut eve = acme.person(EVE, Role::Standard).await.with_header("x-forwarded-for", "198.51.100.2");
        client.code(&eve.approves(&client.url(&[])).await);
    }

    async fn an_immediately_answered_request_is_not_stored(engine: Engine) {
        let app = TestApp::with(engine, &ONE_WAITS).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await.with_header("x-forwarded-for", "198.51.100.1");
        client.code(&eve.approves(&client.url(&[])).await);
        app.execute("CREATE UNIQUE INDEX one_row_at_most ON authorization_requests ((1))").await;
        let mut waiting = Person::new(&app, EVE).with_header("x-forwarded-for", "203.0.113.1");
        assert_eq!(waiting.open(&client.url(&[])).await.status, 303);

        let mut eve = eve.with_header("x-forwarded-for", "203.0.113.2");
        let answered: [&[(&str, &str)]; 2] = [&[], &[("prompt", "none")]];
        for changes in answered {
            client.code(&eve.open(&client.url(changes)).await);
        }
        let refused = eve.open(&client.url(&[("prompt", "none"), ("max_age", "0")])).await;

        client.is_refused(&refused, "login_required", "the user has to sign in");
        assert_eq!(rows(&app).await, 1);
    }

    async fn a_request_whose_consent_was_just_revoked_counts_as_pending(engine: Engine) {
        let app = TestApp::with(engine, &ONE_WAITS).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await.with_header("x-forwarded-for", "198.51.100.1");
        client.code(&eve.approves(&client.url(&[])).await);
        let mut eve = eve.with_header("x-forwarded-for", "203.0.113.1");
        take_back_during_the_answer(&app, engine).await;

        let asked = eve.open(&client.url(&[])).await;
        let one_too_many = eve.open(&client.url(&[])).await;
        let silent = eve.open(&client.url(&[("prompt", "none")])).await;

        let location = asked.header("location").unwrap_or_default();
        assert!(location.starts_with("/consent?request="), "{} {}", asked.status, asked.text);
        assert_eq!(one_too_many.status, 429, "{}", one_too_many.text);
        client.is_refused(&silent, "consent_required", "the user has to consent");
        assert_eq!(rows(&app).await, 1, "neither of the others waits");
        take_back_nothing_more(&app, engine).await;
        client.code(&eve.follow(asked).await);
        assert_eq!(rows(&app).await, 0);
    }

    async fn near_the_total_limit_each_address_may_add_a_few_pending_requests(engine: Engine) {
        let settings = [BEHIND_A_PROXY, ("limits.waiting_requests_total", "10")];
        let app = TestApp::with(engine, &settings).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let visit = async |address: &str| {
            let mut person = Person::new(&app, EVE).with_header("x-forwarded-for", address);
            person.open(&client.url(&[])).await.status.as_u16()
        };
        for _ in 0..15 {
            assert_eq!(visit("203.0.113.1").await, 303);
        }

        let (greedy, modest) = (visit("203.0.113.1").await, visit("198.51.100.1").await);
        for number in 2..6 {
            assert_eq!(visit(&format!("198.51.100.{number}")).await, 303);
        }
        let full = visit("198.51.100.9").await;

        assert_eq!((greedy, modest, full), (429, 303, 429));
        app.clock.advance(Duration::from_secs(600));
        grantor::actions::upkeep::forget_expired::forget_expired(app.context()).await.expect("is swept");
        grantor::sweeper::sweep(&app.app).await;
        assert_eq!(visit("198.51.100.9").await, 303, "they are counted again");
    }
}
