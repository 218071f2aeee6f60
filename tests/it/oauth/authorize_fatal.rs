//! `/oauth2/v1/authorize`: mistakes that are told to the person and never to a redirect URI (RFC 6749 section 4.1.2.1).

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use crate::support::flow::{AUTHORIZE, CHALLENGE, McpClient, Person, encoded};
use crate::support::{Answer, Reply, Site, TestApp, request};

const REDIRECT: &str = "https://app.example/cb";
const NOBODY: &str = "0f0f0f0f-36a6-41f0-b21b-da7ad0900002";
const UNKNOWN_CLIENT: &str = "invalid_request - Invalid client_id parameter value.";
const MISMATCH: &str = "invalid_request - Mismatching redirect URI.";

/// As a program asks, which takes no page.
async fn asked_by_a_program(app: &TestApp, method: Method, query: &str) -> Answer {
    let post = method == Method::POST;
    let path = if post { AUTHORIZE.to_owned() } else { format!("{AUTHORIZE}?{query}") };
    let request = request(method, &path).header("accept", "application/json");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let body = if post { Body::from(query.to_owned()) } else { Body::empty() };
    app.send(request.body(body).expect("a request")).await
}

/// In all three ways of asking: the words, whole, and nothing that leads elsewhere.
async fn is_told(app: &TestApp, query: &str, words: &str) {
    for method in [Method::GET, Method::POST] {
        let told = asked_by_a_program(app, method, query).await;
        told.is(400, &json!({"errors": [words]}));
        assert_eq!(told.header("content-type"), Some("application/json"));
        assert_eq!((told.header("location"), told.header("set-cookie")), (None, None), "{query}");
    }
    let page = Person::new(app, "").open(&format!("{AUTHORIZE}?{query}")).await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (400, Some("text/html; charset=utf-8")), "{query}");
    assert_eq!((page.header("location"), page.header("refresh"), page.header("set-cookie")), (None, None, None));
    let reference = page.header("x-request-id").expect("a request id");
    assert!(page.text.contains(&format!("<code lang=\"en\">{words}</code>")), "{query}: {}", page.text);
    assert!(page.text.contains(&format!("<code>{reference}</code>")), "{query}: {}", page.text);
}

on_both! {
    async fn a_client_that_nobody_registered_is_told_to_the_person(engine: Engine) {
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
            is_told(&app, &client.query(&[("client_id", client_id)]), words).await;
        }
        is_told(&app, "", UNKNOWN_CLIENT).await;
        is_told(&app, &client.query(&[("client_id", &client.id), ("client_id", &client.id)]), UNKNOWN_CLIENT).await;
        is_told(&app, &client.query(&[("client_id", &client.id), ("client_id", NOBODY)]), UNKNOWN_CLIENT).await;
    }

    async fn a_redirect_that_is_not_registered_is_told_to_the_person(engine: Engine) {
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
            is_told(&app, &client.query(&[("redirect_uri", redirect)]), MISMATCH).await;
        }
        is_told(&app, &client.query(&[("redirect_uri", REDIRECT), ("redirect_uri", REDIRECT)]), MISMATCH).await;
        is_told(&app, &client.query(&[("redirect_uri", REDIRECT), ("redirect_uri", "x:y")]), MISMATCH).await;
    }

    async fn the_page_names_what_was_sent_without_its_query_and_what_is_registered(engine: Engine) {
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

    async fn another_clients_redirect_is_no_redirect_of_this_one(engine: Engine) {
        let app = TestApp::start(engine).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let other = McpClient::registered(&app, &["https://other.example/cb"]).await;

        is_told(&app, &client.query(&[("redirect_uri", &other.redirect_uri)]), MISMATCH).await;
    }

    async fn a_redirect_may_be_left_out_only_where_it_is_no_guess(engine: Engine) {
        let app = TestApp::start(engine).await;
        let one = McpClient::registered(&app, &[REDIRECT]).await;
        let two = McpClient::registered(&app, &[REDIRECT, "https://app.example/other"]).await;
        let loopback = McpClient::registered(&app, &["http://127.0.0.1:8000/cb"]).await;
        let left_out = [("redirect_uri", "")];

        let page = Person::new(&app, "").visit(&one.url(&left_out)).await;

        assert_eq!(page.status, 200, "{}", page.text);
        is_told(&app, &two.query(&left_out), MISMATCH).await;
        is_told(&app, &loopback.query(&left_out), MISMATCH).await;
    }

    async fn the_first_two_mistakes_come_before_all_others(engine: Engine) {
        let app = TestApp::start(engine).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let worse = [("response_type", "token"), ("code_challenge", ""), ("scope", "unheard_of"), ("prompt", "none")];
        let with = |change| client.query(&[&worse[..], &[change]].concat());

        is_told(&app, &with(("client_id", NOBODY)), UNKNOWN_CLIENT).await;
        is_told(&app, &with(("redirect_uri", "https://evil.example/cb")), MISMATCH).await;
    }

    async fn nothing_that_was_sent_is_shown_but_the_client_and_the_redirect_which_are_escaped(engine: Engine) {
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

            for told in [page, program] {
                assert_eq!(told.status, 400);
                assert!(!told.text.contains("mark-of-evil") && !told.text.contains("<script>"), "{}", told.text);
                assert!(!format!("{:?}", told.headers).contains("mark-of-evil"));
            }
        }
    }

    async fn bytes_that_are_no_parameters_are_told_to_the_person(engine: Engine) {
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
            is_told(&app, &query, &format!("invalid_request - {words}")).await;
        }
    }

    async fn a_form_that_is_no_form_begins_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        for (kind, body) in
            [("application/json", json!({"client_id": client.id}).to_string()), ("text/plain", client.query(&[]))]
        {
            let post =
                request(Method::POST, AUTHORIZE).header("content-type", kind).header("accept", "application/json");

            let told = app.send(post.body(Body::from(body)).expect("a request")).await;

            assert_eq!(told.status.as_u16() / 100, 4, "{kind}: {}", told.text);
            assert_eq!(told.header("location"), None);
        }
    }

    async fn the_document_of_a_client_that_cannot_be_used_is_told_with_why(engine: Engine) {
        let app = TestApp::with(engine, &[("client_documents.allow_loopback", "true")]).await;
        let site = Site::answering(Reply::status(404)).await;
        let url = site.url("/client.json");
        let pairs = [("client_id", url.as_str()), ("redirect_uri", REDIRECT), ("code_challenge", CHALLENGE)];

        let words = "invalid_request - The document of this client cannot be used: its document is gone: 127.0.0.1 \
                     responded with status 404";
        is_told(&app, &encoded(pairs.into_iter()), words).await;
    }

    async fn a_method_that_is_neither_get_nor_post_is_told_which_are(engine: Engine) {
        let app = TestApp::start(engine).await;

        let told = asked_by_a_program(&app, Method::PUT, "").await;

        assert_eq!((told.status.as_u16(), told.header("allow")), (405, Some("GET, HEAD, POST")));
        assert_eq!(told.header("access-control-allow-origin"), None);
    }

    async fn the_page_is_told_in_german_to_who_reads_german(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut person = Person::new(&app, "").with_header("accept-language", "de-AT, en;q=0.5");

        let page = person.open(AUTHORIZE).await;

        assert_eq!((page.status.as_u16(), page.header("content-language")), (400, Some("de")));
        assert!(page.text.contains("<html lang=\"de\">") && page.text.contains(UNKNOWN_CLIENT), "{}", page.text);
    }

    async fn the_fallback_path_is_the_same_place_and_can_be_switched_off(engine: Engine) {
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
