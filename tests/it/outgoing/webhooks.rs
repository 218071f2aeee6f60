//! Connection reuse and concurrency of requests to webhooks.

use grantor::outgoing::{
    Fetched, Method, Outgoing, OutgoingError, OutgoingRules, Request, WebhookBounds,
};

use super::{BOUNDS, SHORT};
use crate::support::{Reply, Site};

fn outgoing(at_once: usize, at_once_per_host: usize) -> Outgoing {
    let rules = OutgoingRules { allow_loopback: true, ..OutgoingRules::default() };
    Outgoing::for_webhooks(rules, WebhookBounds { at_once, at_once_per_host })
}

async fn post(
    outgoing: &Outgoing,
    url: &str,
    headers: &[(&str, &str)],
) -> Result<Fetched, OutgoingError> {
    outgoing.send(Request { method: Method::Post, url, headers, body: "{}" }, BOUNDS).await
}

#[tokio::test]
async fn consecutive_requests_share_one_connection() {
    let receiver = Site::answering(Reply::json("{}")).await;
    let outgoing = outgoing(8, 2);

    for _ in 0..5 {
        assert_eq!(
            post(&outgoing, &receiver.url("/a"), &[]).await.map(|fetched| fetched.status),
            Ok(200)
        );
    }

    let connections: Vec<usize> =
        receiver.requests().iter().map(|asked| asked.connection).collect();
    assert_eq!(connections, [1; 5]);
}

#[tokio::test]
async fn other_clients_keep_no_connection() {
    let receiver = Site::answering(Reply::json("{}")).await;
    let outgoing = super::outgoing();

    for _ in 0..3 {
        assert!(post(&outgoing, &receiver.url("/a"), &[]).await.is_ok());
    }

    let connections: Vec<usize> =
        receiver.requests().iter().map(|asked| asked.connection).collect();
    assert_eq!(connections, [1, 2, 3]);
}

#[tokio::test]
async fn a_connection_is_not_reused_after_a_failed_response() {
    let receiver = Site::answering(Reply::json("x".repeat(65_537))).await;
    let outgoing = outgoing(8, 2);
    let url = receiver.url("/a");
    let status = async |reply, bounds| {
        receiver.answer(reply);
        let request = Request { method: Method::Post, url: &url, headers: &[], body: "{}" };
        outgoing.send(request, bounds).await.map(|fetched| fetched.status)
    };

    assert!(status(Reply::json("x".repeat(65_537)), BOUNDS).await.is_err());
    assert!(status(Reply::Trickle, SHORT).await.is_err());
    assert!(status(Reply::Broken, BOUNDS).await.is_err());
    assert_eq!(status(Reply::json("{}"), BOUNDS).await, Ok(200));

    let connections: Vec<usize> =
        receiver.requests().iter().map(|asked| asked.connection).collect();
    assert_eq!(connections, [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_silently_closed_connection_is_reopened() {
    let receiver = Site::answering(Reply::Parting).await;
    let outgoing = outgoing(8, 2);

    for _ in 0..20 {
        assert_eq!(
            post(&outgoing, &receiver.url("/a"), &[]).await.map(|fetched| fetched.status),
            Ok(200)
        );
    }
}

#[tokio::test]
async fn requests_are_limited_per_destination_and_in_total() {
    let (one, other, third) = (
        Site::answering(Reply::json("{}")).await,
        Site::answering(Reply::json("{}")).await,
        Site::answering(Reply::json("{}")).await,
    );
    [&one, &other, &third].into_iter().for_each(Site::close);
    let outgoing = outgoing(4, 3);
    let ask = |receiver: &Site| {
        let (outgoing, url) = (outgoing.clone(), receiver.url("/a"));
        tokio::spawn(async move { post(&outgoing, &url, &[]).await.map(|fetched| fetched.status) })
    };
    let busy = Err(OutgoingError::Busy { host: "127.0.0.1".to_owned() });

    let mut under_way: Vec<_> = (0..3).map(|_| ask(&one)).collect();
    one.wait_for_requests(3).await;
    assert_eq!(ask(&one).await.expect("ends"), busy, "a fourth to one destination");
    under_way.push(ask(&other));
    other.wait_for_requests(1).await;
    assert_eq!(ask(&third).await.expect("ends"), busy, "a fifth in all");

    [&one, &other, &third].into_iter().for_each(Site::open);
    for asked in under_way {
        assert_eq!(asked.await.expect("ends"), Ok(200));
    }
    assert_eq!((one.requests().len(), other.requests().len(), third.requests().len()), (3, 1, 0));
}

#[tokio::test]
async fn the_address_is_checked_even_with_open_connections() {
    let receiver = Site::answering(Reply::json("{}")).await;
    let strict = Outgoing::for_webhooks(
        OutgoingRules::default(),
        WebhookBounds { at_once: 4, at_once_per_host: 4 },
    );

    for host in ["localhost", "127.0.0.1", "[::1]"] {
        let refused =
            post(&strict, &format!("https://{host}:{}/a", receiver.address.port()), &[]).await;
        assert!(matches!(refused, Err(OutgoingError::Refused { .. })), "{host}: {refused:?}");
    }
    assert_eq!(receiver.requests().len(), 0);
}

#[tokio::test]
async fn headers_are_sent_as_named_and_an_invalid_one_fails_the_request() {
    let receiver = Site::answering(Reply::json("{}")).await;
    let outgoing = outgoing(8, 2);
    let name = format!("X-{}", "team".to_uppercase());

    let sent = post(&outgoing, &receiver.url("/a"), &[(&name, "a"), ("x-other", "b")]).await;
    assert!(sent.is_ok());
    for (name, value) in [("x y", "a"), ("", "a"), ("x", "a\r\nb: c"), ("x", "a\0")] {
        let refused = post(&outgoing, &receiver.url("/a"), &[(name, value)]).await;
        assert!(matches!(refused, Err(OutgoingError::BadHeader { .. })), "{name:?}: {value:?}");
    }

    let asked = receiver.requests();
    assert_eq!(
        (asked.len(), asked[0].header("x-team"), asked[0].header("x-other")),
        (1, Some("a"), Some("b"))
    );
}

#[tokio::test]
async fn responses_are_not_printed() {
    let reply = Reply::json("t0ken").with_header("x-token", "t0ken");
    let receiver = Site::answering(reply).await;

    let fetched = post(&outgoing(8, 2), &receiver.url("/a"), &[]).await.expect("an answer");

    assert_eq!(
        format!("{fetched:?}"),
        "Fetched { host: \"127.0.0.1\", status: 200, bytes: 5, .. }"
    );
}
