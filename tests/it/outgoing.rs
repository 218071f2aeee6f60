//! The guarded HTTP client against real hosts on this machine: slow, huge, broken, redirecting and
//! forbidden ones.

mod webhooks;

use std::time::Duration;

use grantor::outgoing::{Bounds, Fetched, Method, Outgoing, OutgoingError, OutgoingRules, Request};
use grantor::rules::secret::Secret;

use crate::support::{DEADLINE, Reply, Site};

const BOUNDS: Bounds = Bounds { bytes: 64 * 1024, time: DEADLINE };
/// A time limit for hosts that exceed it.
const SHORT: Bounds = Bounds { bytes: 64 * 1024, time: Duration::from_millis(300) };

fn outgoing() -> Outgoing {
    Outgoing::new(OutgoingRules { allow_loopback: true, ..OutgoingRules::default() })
}

async fn get(site: &Site, bounds: Bounds) -> Result<Fetched, OutgoingError> {
    outgoing().get(&site.url("/c"), &[], bounds).await
}

fn host() -> String {
    "127.0.0.1".to_owned()
}

#[tokio::test]
async fn a_response_has_its_status_headers_and_body() {
    let reply = Reply::json("{}").with_header("vary", "a").with_header("vary", "b");
    let site = Site::answering(reply).await;

    let fetched = outgoing()
        .get(&site.url("/c?x=1"), &[("if-none-match", "\"1\"")], BOUNDS)
        .await
        .expect("an answer");

    assert_eq!((fetched.status, &fetched.body[..]), (200, &b"{}"[..]));
    assert_eq!(fetched.header("vary").as_deref(), Some("a, b"));
    assert_eq!(fetched.header("etag"), None);
    let expected = format!(
        "GET /c?x=1 HTTP/1.1\r\nif-none-match: \"1\"\r\naccept: */*\r\nuser-agent: grantor/{}\r\nhost: {}\r\n\r\n",
        env!("CARGO_PKG_VERSION"),
        site.address,
    );
    let sorted = |head: &str| {
        let mut lines: Vec<String> = head.lines().map(str::to_lowercase).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&site.requests()[0].head), sorted(&expected), "no other header is sent");
}

#[tokio::test]
async fn the_first_byte_of_a_document_has_a_time_limit_of_two_seconds() {
    let silent = Site::answering(Reply::Silence).await;
    let slow = Site::answering(Reply::SlowHead).await;
    let began = tokio::time::Instant::now();

    let (silent, slow) = tokio::join!(get(&silent, BOUNDS), get(&slow, BOUNDS));

    let took = began.elapsed();
    for answered in [silent, slow] {
        assert_eq!(answered.expect_err("no answer"), OutgoingError::TimedOut { host: host() });
    }
    assert!(took >= Duration::from_secs(2) && took < DEADLINE / 2, "{took:?}");
}

#[tokio::test]
async fn every_status_is_returned_and_redirects_are_errors() {
    let elsewhere = Site::answering(Reply::json("{}")).await;
    for status in [200, 204, 304, 400, 404, 410, 503] {
        let site = Site::answering(Reply::status(status)).await;
        assert_eq!(get(&site, BOUNDS).await.map(|fetched| fetched.status), Ok(status));
    }
    for status in [301, 302, 303, 307, 308, 300] {
        let site =
            Site::answering(Reply::status(status).with_header("location", elsewhere.url("/c")))
                .await;
        let refused = get(&site, BOUNDS).await.expect_err("a redirect");
        assert_eq!(
            refused.to_string(),
            "127.0.0.1 responded with a redirect, which is not followed"
        );
    }
    let own = Site::answering(Reply::status(302).with_header("location", "/d")).await;
    assert_eq!(get(&own, BOUNDS).await.map(drop), Err(OutgoingError::Redirected { host: host() }));
    assert_eq!((own.requests().len(), elsewhere.requests().len()), (1, 0));
}

#[tokio::test]
async fn a_response_that_is_too_large_is_refused_with_and_without_a_length() {
    let too_large = Err(OutgoingError::TooLarge { host: host(), status: 200, max_bytes: 65_536 });
    let fits = Site::answering(Reply::json("x".repeat(65_536))).await;
    let announced = Site::answering(Reply::json("x".repeat(65_537))).await;
    let endless = Site::answering(Reply::Endless).await;

    assert_eq!(get(&fits, BOUNDS).await.map(|fetched| fetched.body.len()), Ok(65_536));
    assert_eq!(get(&announced, BOUNDS).await.map(drop), too_large);
    assert_eq!(get(&endless, BOUNDS).await.map(drop), too_large);
}

#[tokio::test]
async fn a_slow_host_times_out() {
    for reply in [Reply::Silence, Reply::Trickle] {
        let site = Site::answering(reply).await;
        let asked = tokio::time::timeout(DEADLINE, get(&site, SHORT)).await;

        assert_eq!(
            asked.expect("ends in time").map(drop),
            Err(OutgoingError::TimedOut { host: host() })
        );
    }
}

#[tokio::test]
async fn an_incomplete_response_and_an_unreachable_host_are_reported() {
    let broken = Site::answering(Reply::Broken).await;
    let mut gone = Site::answering(Reply::json("{}")).await;
    gone.shut_down().await;

    assert!(matches!(get(&broken, BOUNDS).await, Err(OutgoingError::Broken { .. })));
    let error = get(&gone, BOUNDS).await.expect_err("nothing listens");
    assert!(
        error.to_string().starts_with("no connection to 127.0.0.1: Connection refused"),
        "{error}"
    );
}

#[tokio::test]
async fn loopback_addresses_and_names_require_the_setting() {
    let site = Site::answering(Reply::json("{}")).await;
    let port = site.address.port();
    let strict = Outgoing::new(OutgoingRules::default());
    let urls = ["127.0.0.1", "127.1.2.3", "localhost", "[::1]", "[::ffff:7f00:1]", "0.0.0.0"];

    for url in urls.map(|host| format!("https://{host}:{port}/c")) {
        let refused = strict.get(&url, &[], BOUNDS).await.expect_err(&url);
        assert!(matches!(refused, OutgoingError::Refused { .. }), "{url}: {refused}");
        assert!(refused.to_string().contains("`outgoing.allow_networks`"), "{refused}");
    }
    let refused = strict.get(&site.url("/c"), &[], BOUNDS).await.expect_err("is refused");
    assert!(matches!(refused, OutgoingError::Refused { .. }), "{refused}");
    let by_name = format!("http://localhost:{port}/c");
    assert!(matches!(strict.get(&by_name, &[], BOUNDS).await, Err(OutgoingError::NotHttps { .. })));
    assert_eq!(site.requests().len(), 0);

    assert_eq!(outgoing().get(&by_name, &[], BOUNDS).await.map(|fetched| fetched.status), Ok(200));
}

#[tokio::test]
async fn an_allowed_network_is_contacted() {
    let mut site = Site::answering(Reply::json("{}")).await;
    let allow_networks = vec!["127.0.0.0/8".parse().expect("a network")];
    let rules = OutgoingRules { allow_networks, ..OutgoingRules::default() };
    let url = format!("https://localhost:{}/c", site.address.port());

    // The host does not speak TLS, so the request stops there.
    let error = Outgoing::new(rules.clone()).get(&url, &[], SHORT).await.expect_err("no TLS");
    site.shut_down().await;
    let gone = Outgoing::new(rules).get(&url, &[], BOUNDS).await.expect_err("nothing listens");

    assert!(
        matches!(error, OutgoingError::TimedOut { .. } | OutgoingError::Unreachable { .. }),
        "{error}"
    );
    assert!(matches!(gone, OutgoingError::Unreachable { .. }), "{gone}");
}

#[tokio::test]
async fn an_unknown_host_name_is_reported() {
    let error =
        outgoing().get("https://nobody.invalid/c", &[], BOUNDS).await.expect_err("no such name");

    assert!(matches!(error, OutgoingError::Unresolved { .. }), "{error}");
    assert!(
        error.to_string().starts_with("the host name nobody.invalid could not be resolved: "),
        "{error}"
    );
}

#[tokio::test]
async fn requests_are_limited_to_two_per_host_and_thirty_two_in_total() {
    let site = Site::answering(Reply::json("{}")).await;
    site.close();
    // The limits of documents, without the limit for the first byte.
    let outgoing = Outgoing::for_operator();
    let ask = |last: u8| {
        let (outgoing, url) =
            (outgoing.clone(), format!("http://127.0.0.{last}:{}/c", site.address.port()));
        tokio::spawn(
            async move { outgoing.get(&url, &[], BOUNDS).await.map(|fetched| fetched.status) },
        )
    };
    let of_one: Vec<_> = (0..2).map(|_| ask(1)).collect();
    site.wait_for_requests(2).await;

    let third = ask(1).await.expect("ends");
    assert_eq!(third, Err(OutgoingError::Busy { host: host() }));

    let of_others: Vec<_> = (2..=16).flat_map(|last| [ask(last), ask(last)]).collect();
    site.wait_for_requests(32).await;
    let one_more = ask(17).await.expect("ends");
    assert_eq!(one_more, Err(OutgoingError::Busy { host: "127.0.0.17".to_owned() }));

    site.open();
    for asked in of_one.into_iter().chain(of_others) {
        assert_eq!(asked.await.expect("ends"), Ok(200));
    }
    assert_eq!(ask(17).await.expect("ends"), Ok(200), "all places are free again");
}

#[tokio::test]
async fn a_configured_proxy_is_used_for_every_request() {
    // The proxy disconnects clients that treat its response as a tunnel.
    let proxy = Site::answering(Reply::Parting).await;
    let url = format!("http://user:secret@{}", proxy.address);
    let rules = |allow_loopback| OutgoingRules {
        proxy: Some(Secret::new(url.clone())),
        allow_loopback,
        ..OutgoingRules::default()
    };
    let (strict, tolerant) = (Outgoing::new(rules(false)), Outgoing::new(rules(true)));

    let plain =
        tolerant.get("http://127.0.0.1:9/c", &[], BOUNDS).await.map(|fetched| fetched.status);
    let tunnelled = strict.get("https://app.example/c", &[], BOUNDS).await;

    assert_eq!(plain, Ok(200));
    assert!(tunnelled.is_err());
    let asked: Vec<String> = proxy.requests().into_iter().map(|asked| asked.head).collect();
    assert!(asked[0].starts_with("GET http://127.0.0.1:9/c HTTP/1.1\r\n"), "{asked:?}");
    assert!(asked[1].starts_with("CONNECT app.example:443 HTTP/1.1\r\n"), "{asked:?}");
    assert!(
        asked.iter().all(|head| head.to_lowercase().contains("proxy-authorization: basic ")),
        "{asked:?}"
    );
    for url in ["https://localhost/c", "https://10.0.0.1/c", "https://a.localhost/c"] {
        assert!(
            matches!(strict.get(url, &[], BOUNDS).await, Err(OutgoingError::Refused { .. })),
            "{url}"
        );
    }
    assert_eq!(proxy.requests().len(), 2);
}

#[tokio::test]
async fn diagnosis_sees_every_response_including_redirects() {
    let reply = Reply::status(303)
        .with_header("location", "/d")
        .with_header("set-cookie", "a=1")
        .with_header("set-cookie", "b=2");
    let site = Site::answering(reply).await;
    let (url, headers) = (site.url("/c"), &[("content-type", "text/plain")]);
    let request = Request { method: Method::Post, url: &url, headers, body: "x=1" };

    let fetched = Outgoing::for_operator().send(request, BOUNDS).await.expect("an answer");
    let guarded = Outgoing::new(OutgoingRules::default()).send(request, BOUNDS).await;

    assert_eq!((fetched.status, fetched.header("location").as_deref()), (303, Some("/d")));
    assert_eq!(fetched.header_lines("set-cookie").collect::<Vec<_>>(), ["a=1", "b=2"]);
    let [asked] = &site.requests()[..] else { panic!("one request is enough") };
    assert!(asked.head.starts_with("POST /c HTTP/1.1\r\n"), "{asked:?}");
    assert_eq!((asked.header("content-type"), asked.body.as_str()), (Some("text/plain"), "x=1"));
    assert!(matches!(guarded, Err(OutgoingError::Refused { .. })), "{guarded:?}");
}

#[tokio::test]
async fn diagnosis_limits_the_time_and_size_of_responses() {
    for (reply, bounds, error) in [
        (Reply::Silence, SHORT, OutgoingError::TimedOut { host: host() }),
        (
            Reply::Endless,
            BOUNDS,
            OutgoingError::TooLarge { host: host(), status: 200, max_bytes: BOUNDS.bytes },
        ),
    ] {
        let site = Site::answering(reply).await;
        let request = Request { method: Method::Get, url: &site.url("/c"), headers: &[], body: "" };

        assert_eq!(
            Outgoing::for_operator().send(request, bounds).await.map(|fetched| fetched.status),
            Err(error)
        );
    }
}
