//! `/oauth2/v1/authorize`: errors that are sent to the client's redirect URI (RFC 6749 section
//! 4.1.2.1).

use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use crate::support::flow::{AUTHORIZE, CHALLENGE, Form, McpClient, Person, RedirectParams, STATE};
use crate::support::{Engine, Program, TestApp, plain_http};

const REDIRECT: &str = "https://app.example/cb";
const PKCE: &str = "PKCE with S256 is required: ";

type Changes<'a> = &'a [(&'a str, &'a str)];

on_both! {
    async fn errors_are_returned_to_the_client_with_state_issuer_and_reference(engine: Engine) {
        let app = TestApp::with(engine, &[("resources.unknown", "refuse")]).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let no_challenge = format!("{PKCE}send code_challenge and code_challenge_method=S256");
        let no_method = format!("{PKCE}without code_challenge_method the method is plain, so send code_challenge_method=S256");
        let other_method = format!("{PKCE}send code_challenge_method=S256");
        let malformed = "code_challenge is not 43 characters of base64url: send the SHA-256 of the verifier, without \
                         padding";
        let longer = format!("{CHALLENGE}A");
        let padded = format!("{CHALLENGE}=");
        let cases: [(Changes<'_>, &str, &str); 30] = [
            (&[("response_type", "")], "invalid_request", "response_type is missing: send code"),
            (&[("response_type", "token")], "unsupported_response_type", "response_type is not supported: use code"),
            (&[("response_type", "id_token")], "unsupported_response_type", "response_type is not supported: use code"),
            (
                &[("response_type", "code token")],
                "unsupported_response_type",
                "response_type is not supported: use code",
            ),
            (&[("response_type", "none")], "unsupported_response_type", "response_type is not supported: use code"),
            (
                &[("response_type", "code"), ("response_type", "token")],
                "invalid_request",
                "response_type is sent more than once: send it once",
            ),
            (
                &[("response_mode", "fragment")],
                "invalid_request",
                "response_mode is not supported: use query or leave it out",
            ),
            (
                &[("response_mode", "form_post")],
                "invalid_request",
                "response_mode is not supported: use query or leave it out",
            ),
            (&[("code_challenge", "")], "invalid_request", &no_challenge),
            (&[("code_challenge", ""), ("code_challenge_method", "")], "invalid_request", &no_challenge),
            (&[("code_challenge_method", "")], "invalid_request", &no_method),
            (&[("code_challenge_method", "plain")], "invalid_request", &other_method),
            (&[("code_challenge_method", "s256")], "invalid_request", &other_method),
            (&[("code_challenge", &CHALLENGE[1..])], "invalid_request", malformed),
            (&[("code_challenge", &longer)], "invalid_request", malformed),
            (&[("code_challenge", &padded)], "invalid_request", malformed),
            (
                &[("code_challenge", CHALLENGE), ("code_challenge", CHALLENGE)],
                "invalid_request",
                "code_challenge is sent more than once: send it once",
            ),
            (&[("nonce", "a"), ("nonce", "a")], "invalid_request", "nonce is sent more than once: send it once"),
            (
                &[("<script>", "a"), ("<script>", "a")],
                "invalid_request",
                "a parameter is sent more than once: send it once",
            ),
            (
                &[("scope", "openid unheard_of")],
                "invalid_scope",
                "unheard_of is not in the scope catalog of this server: its operator can add it",
            ),
            (
                &[("resource", "urn:x")],
                "invalid_target",
                "resource must use https; http is allowed only for 127.0.0.1, [::1] and localhost",
            ),
            (
                &[("resource", "https://mcp.example/#x")],
                "invalid_target",
                "resource has a fragment: remove the # and what follows it",
            ),
            (
                &[("resource", "https://mcp.example")],
                "invalid_target",
                "resource is not known to this server: the operator of the server can add it",
            ),
            (&[("request", "x.y.z")], "request_not_supported", "request is not supported: send plain parameters"),
            (
                &[("request_uri", "https://evil.example/r")],
                "request_uri_not_supported",
                "request_uri is not supported: send plain parameters",
            ),
            (
                &[("registration", "{}")],
                "registration_not_supported",
                "registration is not supported: send plain parameters",
            ),
            (&[("prompt", "none login")], "invalid_request", "prompt combines none with another value: send none alone"),
            (&[("max_age", "-1")], "invalid_request", "max_age is not a number of seconds: send digits only"),
            (
                &[("dd_oid", "acme")],
                "invalid_request",
                "dd_oid is not a UUID: send the id of an organization, or leave it out",
            ),
            (&[("prompt", "none")], "login_required", "the user has to sign in"),
        ];
        for (changes, error, description) in cases {
            let by_link = Person::new(&app, "").open(&client.url(changes)).await;
            client.is_refused(&by_link, error, description);

            let form = Form { action: AUTHORIZE.to_owned(), fields: fields(&client.query(changes)) };
            let mut person = Person::new(&app, "");
            let mut by_form = person.submit(&form).await;
            // Without the cookie of the browser, a valid request is repeated as a GET.
            if let Some(again) = by_form.header("location").filter(|to| to.starts_with(AUTHORIZE)).map(str::to_owned) {
                by_form = person.open(&again).await;
            }
            client.is_refused(&by_form, error, description);
        }
    }

    async fn a_state_that_cannot_be_returned_is_omitted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let long = "x".repeat(4_097);
        let cases: [(Changes<'_>, &str); 2] = [
            (&[("state", "a"), ("state", "b")], "state is sent more than once: send it once"),
            (&[("state", &long)], "state is longer than 4096 bytes: shorten it"),
        ];
        for (changes, description) in cases {
            let response = Person::new(&app, "").open(&client.url(changes)).await;

            let reference = response.header("x-request-id").expect("an id");
            let expected = [
                ("error", "invalid_request"),
                ("error_description", &format!("{description} (reference {reference})")),
                ("iss", "http://127.0.0.1:8080"),
            ];
            assert_eq!(client.redirect_params(&response), RedirectParams::of(&expected));
        }
    }

    async fn an_error_is_appended_to_the_query_of_the_redirect(engine: Engine) {
        let app = TestApp::with(engine, &[("http.public_url", "https://auth.example.com")]).await;
        let client = McpClient::registered(&app, &["https://app.example/cb?tenant=1"]).await;

        let response = Person::new(&app, "").open(&client.url(&[("response_type", "token"), ("state", "s t")])).await;

        let reference = response.header("x-request-id").expect("an id");
        let location = format!(
            "https://app.example/cb?tenant=1&error=unsupported_response_type\
             &error_description=response_type%20is%20not%20supported%3A%20use%20code%20%28reference%20{reference}%29\
             &state=s%20t&iss=https%3A%2F%2Fauth.example.com"
        );
        assert_eq!((response.status.as_u16(), response.header("location")), (303, Some(location.as_str())));
    }

    async fn a_signed_in_user_without_consent_is_not_approved_silently(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person("eve@mail.example", Role::Standard).await;
        eve.signs_in().await;

        let unasked = eve.open(&client.url(&[("prompt", "none")])).await;
        eve.approves(&client.url(&[])).await;
        let remembered = eve.open(&client.url(&[("prompt", "none")])).await;
        let for_more = eve.open(&client.url(&[("prompt", "none"), ("scope", "openid dashboards_read")])).await;
        app.clock.advance(std::time::Duration::from_secs(60));
        let too_old = eve.open(&client.url(&[("prompt", "none"), ("max_age", "59")])).await;
        umbra.adds_member(&eve, Role::Standard).await;
        let between_two = eve.open(&client.url(&[("prompt", "none")])).await;

        client.is_refused(&unasked, "consent_required", "the user has to consent");
        client.code(&remembered);
        client.is_refused(&for_more, "consent_required", "the user has to consent");
        client.is_refused(&too_old, "login_required", "the user has to sign in");
        client.is_refused(&between_two, "interaction_required", "the user has to choose an organization");
    }

    async fn scopes_beyond_the_restriction_are_refused_by_the_reject_setting(engine: Engine) {
        let app = TestApp::with(engine, &[("restriction.on_excess", "refuse")]).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person("eve@mail.example", Role::Standard).await;
        acme.restrict(&client.id, &["openid"], &["dashboards_read"]).await;
        let more = client.url(&[("scope", "openid dashboards_read metrics_read")]);

        let response = eve.opens_consent(&more).await;
        let less = eve.approves(&client.url(&[("scope", "openid dashboards_read")])).await;

        let description = "metrics_read is not allowed for this client by the organization: its administrators can \
                           change this";
        client.is_refused(&response, "invalid_scope", description);
        assert_eq!(client.scopes(&less).await, "dashboards_read openid");
    }

    async fn a_request_without_grantable_scopes_is_refused_without_a_page(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person("eve@mail.example", Role::ReadOnly).await;
        eve.signs_in().await;

        let beyond_role = eve.visit(&client.url(&[("scope", "user_access_manage")])).await;
        let private = eve.visit(&client.url(&[("scope", "api_keys_write")])).await;

        client.is_refused(
            &beyond_role,
            "invalid_scope",
            "user_access_manage is not permitted by the role of the user: an administrator of the organization can \
             change the role",
        );
        client.is_refused(
            &private,
            "invalid_scope",
            "api_keys_write is available only to clients approved by the operator of this server: ask the operator",
        );
    }
}

/// The fields of a form.
fn fields(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

#[tokio::test]
async fn the_reference_of_an_error_is_in_the_log() {
    let program = Program::on(Engine::Sqlite).await.with("GRANTOR_LOG__FORMAT", "json");
    let server = program.start();
    let registration = json!({"client_name": "Editor", "redirect_uris": [REDIRECT]});
    let registered = server.post("/api/v2/oauth2/register", &registration).json();
    let client_id = registered["client_id"].as_str().expect("an id");
    let query = format!("client_id={client_id}&response_type=token&state=the-state-of-the-client");

    let refused = server.get(&format!("{AUTHORIZE}?{query}"));
    let page = plain_http::ask(program.address(), "GET", AUTHORIZE, &[("Accept", "text/html")], "")
        .expect("an answer");
    let log = server.stop().stderr;

    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let line =
        |message: &str| lines.iter().find(|line| line["message"] == message).expect("a line");
    let refusal = line("authorization refused");
    let reference = refused.header("x-request-id").expect("an id");
    let location = refused.header("location").expect("a location");
    assert!(location.contains(&format!("%28reference%20{reference}%29")), "{location}");
    assert_eq!(
        [&refusal["reference"], &refusal["error"], &refusal["reason"], &refusal["client.id"]],
        [
            reference,
            "unsupported_response_type",
            "response_type is not supported: use code",
            client_id
        ],
    );
    let of_page = &line("a page request failed")["reference"];
    assert_eq!(of_page.as_str(), page.header("x-request-id"));
    assert!(page.text.contains(of_page.as_str().expect("text")), "{}", page.text);
    assert!(!log.contains("the-state-of-the-client") && !log.contains(STATE), "{log}");
}
