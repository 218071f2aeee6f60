//! `/oauth2/v1/authorize`: errors that are shown to the user and never sent to a redirect URI (RFC
//! 6749 section 4.1.2.1).

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use crate::support::flow::{AUTHORIZE, CHALLENGE, McpClient, Person, encoded};
use crate::support::{Answer, Reply, Site, TestApp, request};

const REDIRECT: &str = "https://app.example/cb";
const NOBODY: &str = "0f0f0f0f-36a6-41f0-b21b-da7ad0900002";
const UNKNOWN_CLIENT: &str = "invalid_request - Invalid client_id parameter value.";
const MISMATCH: &str = "invalid_request - Mismatching redirect URI.";

/// A request of a program, which does not accept a page.
async fn asked_by_a_program(app: &TestApp, method: Method, query: &str) -> Answer {
    let post = method == Method::POST;
    let path = if post { AUTHORIZE.to_owned() } else { format!("{AUTHORIZE}?{query}") };
    let request = request(method, &path).header("accept", "application/json");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let body = if post { Body::from(query.to_owned()) } else { Body::empty() };
    app.send(request.body(body).expect("a request")).await
}

/// Asserts the complete error for all three kinds of requests, and that nothing redirects.
async fn assert_error(app: &TestApp, query: &str, words: &str) {
    for method in [Method::GET, Method::POST] {
        let response = asked_by_a_program(app, method, query).await;
        response.is(400, &json!({"errors": [words]}));
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(
            (response.header("location"), response.header("set-cookie")),
            (None, None),
            "{query}"
        );
    }
    let page = Person::new(app, "").open(&format!("{AUTHORIZE}?{query}")).await;
    assert_eq!(
        (page.status.as_u16(), page.header("content-type")),
        (400, Some("text/html; charset=utf-8")),
        "{query}"
    );
    assert_eq!(
        (page.header("location"), page.header("refresh"), page.header("set-cookie")),
        (None, None, None)
    );
    let reference = page.header("x-request-id").expect("a request id");
    assert!(
        page.text.contains(&format!("<code lang=\"en\">{words}</code>")),
        "{query}: {}",
        page.text
    );
    assert!(page.text.contains(&format!("<code>{reference}</code>")), "{query}: {}", page.text);
}

on_both! {
    async fn an_unknown_client_shows_an_error_page(engine: Engine) {
        let app = TestApp::start(engine).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let long = "x".repeat(3_000);

        for client_id in ["", NOBODY, "Editor", "javascript:alert(1)", " ", "https://app.example", &long] {
            let words = match client_id {
                "https://app.example" => {
                    "invalid_request - The document of this client cannot be used: the client_id URL has \
                     no path: serve the document at a path such as /client.json"
                }
                _ => UNKNOWN_CLIENT,
            };
            assert_error(&app, &client.query(&[("client_id", client_id)]), words).await;
        }
        assert_error(&app, "", UNKNOWN_CLIENT).await;
        assert_error(&app, &client.query(&[("client_id", &client.id), ("client_id", &client.id)]), UNKNOWN_CLIENT).await;
        assert_error(&app, &client.query(&[("client_id", &client.id), ("client_id", NOBODY)]), UNKNOWN_CLIENT).await;
    }

    async fn an_unregistered_redirect_shows_an_error_page(engine: Engine) {
        let app = TestApp::start(engine).await;
        let redirects = [REDIRECT, "http://127.0.0.1:33418/cb", "http://localhost/cb", "cursor://anysphere/cb"];
        let client = McpClient::registered(&app, &redirects).await;
        let others = [
            "",
            "https://evil.example/cb",
            "https://app.example/cb/",
            "https://app.example/cb?x=1",
            "https://app.example/cb#x",
            "https://app.example/CB",
            "https://APP.example/cb",
            "https://app.example:443/cb",
            "https://app.example/cb/../cb",
            "https://app.example/%63b",
            "https://app.example@evil.example/cb",
            "https://app.example\\@evil.example/cb",
            "https://app.example.evil.example/cb",
            "http://app.example/cb",
            "//app.example/cb",
            "/cb",
            "http://127.0.0.1:33418/other",
            "http://127.0.0.2:33418/cb",
            "http://127.0.0.1:33418@evil.example/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://[::1]/cb",
            "https://localhost/cb",
            "cursor://anysphere:1/cb",
            "cursor://other/cb",
            "javascript:alert(1)",
            "data:text/html,x",
            " https://app.example/cb",
            "https://app.example/cb ",
        ];
        for redirect in others {
            assert_error(&app, &client.query(&[("redirect_uri", redirect)]), MISMATCH).await;
        }
        assert_error(&app, &client.query(&[("redirect_uri", REDIRECT), ("redirect_uri", REDIRECT)]), MISMATCH).await;
        assert_error(&app, &client.query(&[("redirect_uri", REDIRECT), ("redirect_uri", "x:y")]), MISMATCH).await;
    }

    async fn the_page_shows_the_sent_redirect_without_its_query_and_the_registered_ones(engine: Engine) {
        let app = TestApp::start(engine).await;
        let redirects: Vec<String> = (0..7).map(|number| format!("https://app.example/{number}?secret")).collect();
        let client = McpClient::registered(&app, &redirects.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let sent = [("redirect_uri", "https://evil.example/<b>\u{202E}cb?token=secret")];
        let mut person = Person::new(&app, "");

        let mismatch = person.open(&client.url(&sent)).await;
        let unknown = person.open(&client.url(&[("client_id", NOBODY), sent[0]])).await;

        let shown_sent = "<code>https://evil.example/&#60;b&#62;\\u{202e}cb</code>";
        for (page, id) in [(&mismatch, client.id.as_str()), (&unknown, NOBODY)] {
            assert!(page.text.contains(&format!("<code>{id}</code>")) && page.text.contains(shown_sent), "{}", page.text);
            assert!(!page.text.contains("secret"), "{}", page.text);
        }
        let registered = |number| mismatch.text.contains(&format!("<code>https://app.example/{number}</code>"));
        assert_eq!((0..7).filter(|number| registered(*number)).count(), 5);
        assert!(mismatch.text.contains("and 2 more"), "{}", mismatch.text);
        assert!(unknown.text.contains("none, so the app is not registered here"), "{}", unknown.text);
    }

    async fn the_redirect_of_another_client_is_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let other = McpClient::registered(&app, &["https://other.example/cb"]).await;

        assert_error(&app, &client.query(&[("redirect_uri", &other.redirect_uri)]), MISMATCH).await;
    }

    async fn a_redirect_may_be_omitted_only_if_exactly_one_is_registered(engine: Engine) {
        let app = TestApp::start(engine).await;
        let one = McpClient::registered(&app, &[REDIRECT]).await;
        let two = McpClient::registered(&app, &[REDIRECT, "https://app.example/other"]).await;
        let loopback = McpClient::registered(&app, &["http://127.0.0.1:8000/cb"]).await;
        let left_out = [("redirect_uri", "")];

        let page = Person::new(&app, "").visit(&one.url(&left_out)).await;

        assert_eq!(page.status, 200, "{}", page.text);
        assert_error(&app, &two.query(&left_out), MISMATCH).await;
        assert_error(&app, &loopback.query(&left_out), MISMATCH).await;
    }

    async fn client_and_redirect_errors_come_before_all_others(engine: Engine) {
        let app = TestApp::start(engine).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let worse = [("response_type", "token"), ("code_challenge", ""), ("scope", "unheard_of"), ("prompt", "none")];
        let with = |change| client.query(&[&worse[..], &[change]].concat());

        assert_error(&app, &with(("client_id", NOBODY)), UNKNOWN_CLIENT).await;
        assert_error(&app, &with(("redirect_uri", "https://evil.example/cb")), MISMATCH).await;
    }

    async fn the_page_shows_only_the_client_and_redirect_and_escapes_them(engine: Engine) {
        let app = TestApp::start(engine).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mark = "<script>mark-of-evil</script>";
        let hostile = [("state", mark), ("scope", mark), (mark, mark), ("login_hint", mark)];
        let queries = [
            client.query(&[&hostile[..], &[("client_id", "<script>")]].concat()),
            client.query(&[&hostile[..], &[("redirect_uri", "<script>")]].concat()),
            client.query(&[&hostile[..], &[("client_id", "https://mark-of-evil.example")]].concat()),
        ];
        for query in queries {
            let page = Person::new(&app, "").open(&format!("{AUTHORIZE}?{query}")).await;
            let program = asked_by_a_program(&app, Method::GET, &query).await;

            for response in [page, program] {
                assert_eq!(response.status, 400);
                assert!(!response.text.contains("mark-of-evil") && !response.text.contains("<script>"), "{}", response.text);
                assert!(!format!("{:?}", response.headers).contains("mark-of-evil"));
            }
        }
    }

    async fn invalid_parameter_bytes_show_an_error_page(engine: Engine) {
        let app = TestApp::start(engine).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let in_order = client.query(&[]);
        let many = "a=b&".repeat(101);
        let cases = [
            (
                format!("{in_order}&x=%zz"),
                "the parameters contain a % that is not followed by two hexadecimal digits: write %25 for a percent sign",
            ),
            (format!("{in_order}&x=%ff"), "the parameters are not UTF-8: encode them as UTF-8"),
            (format!("{in_order}&x=%00"), "x contains a NUL character: remove it"),
            (format!("{in_order}&{many}"), "there are more than 100 parameters: send fewer"),
            (format!("{in_order}&x={}", "y".repeat(8_192)), "the parameters are longer than 8192 bytes: shorten them"),
        ];
        for (query, words) in cases {
            assert_error(&app, &query, &format!("invalid_request - {words}")).await;
        }
    }

    async fn an_invalid_form_starts_no_request(engine: Engine) {
        let app = TestApp::start(engine).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        for (kind, body) in
            [("application/json", json!({"client_id": client.id}).to_string()), ("text/plain", client.query(&[]))]
        {
            let post =
                request(Method::POST, AUTHORIZE).header("content-type", kind).header("accept", "application/json");

            let response = app.send(post.body(Body::from(body)).expect("a request")).await;

            assert_eq!(response.status.as_u16() / 100, 4, "{kind}: {}", response.text);
            assert_eq!(response.header("location"), None);
        }
    }

    async fn an_unusable_client_document_is_shown_with_the_reason(engine: Engine) {
        let app = TestApp::with(engine, &[("client_documents.allow_loopback", "true")]).await;
        let site = Site::answering(Reply::status(404)).await;
        let url = site.url("/client.json");
        let pairs = [("client_id", url.as_str()), ("redirect_uri", REDIRECT), ("code_challenge", CHALLENGE)];

        let words = "invalid_request - The document of this client cannot be used: its document is gone: 127.0.0.1 \
                     responded with status 404";
        assert_error(&app, &encoded(pairs.into_iter()), words).await;
    }

    async fn other_methods_than_get_and_post_are_refused(engine: Engine) {
        let app = TestApp::start(engine).await;

        let response = asked_by_a_program(&app, Method::PUT, "").await;

        assert_eq!((response.status.as_u16(), response.header("allow")), (405, Some("GET, HEAD, POST")));
        assert_eq!(response.header("access-control-allow-origin"), None);
    }

    async fn the_error_page_is_in_german_if_the_browser_prefers_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut person = Person::new(&app, "").with_header("accept-language", "de-AT, en;q=0.5");

        let page = person.open(AUTHORIZE).await;

        assert_eq!((page.status.as_u16(), page.header("content-language")), (400, Some("de")));
        assert!(page.text.contains("<html lang=\"de\">") && page.text.contains(UNKNOWN_CLIENT), "{}", page.text);
    }

    async fn the_fallback_path_is_the_same_endpoint_and_can_be_switched_off(engine: Engine) {
        let app = TestApp::start(engine).await;
        let off = app.replica_with(&[("http.fallback_paths", "false")]).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let (query, path) = (client.query(&[]), |query: &str| format!("/authorize?{query}"));

        let fatal = app.get("/authorize").await;
        let served = Person::new(&app, "").open(&path(&query)).await;
        let switched_off = off.get(&path(&query)).await;

        fatal.is(400, &json!({"errors": [UNKNOWN_CLIENT]}));
        assert!(served.header("location").is_some_and(|to| to.starts_with("/login?request=")), "{served:?}");
        switched_off.is(404, &json!({"errors": ["there is nothing at this path"]}));
        for path in ["/token", "/register"] {
            assert_eq!(app.post(path, &json!({})).await.status, 400, "{path}");
            assert_eq!(off.post(path, &json!({})).await.status, 404, "{path}");
        }
    }
}
