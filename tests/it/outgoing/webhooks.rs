//! What is different for webhooks: connections that are kept, and how many requests there are at once.

use grantor::outgoing::{Fetched, Method, Outgoing, OutgoingError, OutgoingRules, Request, WebhookBounds};

use super::{BOUNDS, SHORT};
use crate::support::{Reply, Site};

fn outgoing(at_once: usize, at_once_per_host: usize) -> Outgoing {
    let rules = OutgoingRules { allow_loopback: true, ..OutgoingRules::default() };
    Outgoing::for_webhooks(rules, WebhookBounds { at_once, at_once_per_host })
}

async fn post(outgoing: &Outgoing, url: &str, headers: &[(&str, &str)]) -> Result<Fetched, OutgoingError> {
    outgoing.send(Request { method: Method::Post, url, headers, body: "{}" }, BOUNDS).await
}

#[tokio::test]
async fn one_request_after_the_other_goes_over_one_connection() {
    let receiver = Site::answering(Reply::json("{}")).await;
    let outgoing = outgoing(8, 2);

    for _ in 0..5 {
        assert_eq!(post(&outgoing, &receiver.url("/a"), &[]).await.map(|fetched| fetched.status), Ok(200));
    }

    let connections: Vec<usize> = receiver.asked().iter().map(|asked| asked.connection).collect();
    assert_eq!(connections, [1; 5]);
}

#[tokio::test]
async fn for_others_no_connection_is_kept() {
    let receiver = Site::answering(Reply::json("{}")).await;
    let outgoing = super::outgoing();

    for _ in 0..3 {
        assert!(post(&outgoing, &receiver.url("/a"), &[]).await.is_ok());
    }

    let connections: Vec<usize> = receiver.asked().iter().map(|asked| asked.connection).collect();
    assert_eq!(connections, [1, 2, 3]);
}

#[tokio::test]
async fn a_connection_on_which_an_answer_went_wrong_is_not_used_again() {
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

    let connections: Vec<usize> = receiver.asked().iter().map(|asked| asked.connection).collect();
    assert_eq!(connections, [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_receiver_that_closes_its_connections_without_a_word_is_connected_to_again() {
    let receiver = Site::answering(Reply::Parting).await;
    let outgoing = outgoing(8, 2);

    for _ in 0..20 {
        assert_eq!(post(&outgoing, &receiver.url("/a"), &[]).await.map(|fetched| fetched.status), Ok(200));
    }
}

#[tokio::test]
async fn so_many_are_under_way_to_one_destination_and_so_many_in_all() {
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
    one.was_asked(3).await;
    assert_eq!(ask(&one).await.expect("ends"), busy, "a fourth to one destination");
    under_way.push(ask(&other));
    other.was_asked(1).await;
    assert_eq!(ask(&third).await.expect("ends"), busy, "a fifth in all");

    [&one, &other, &third].into_iter().for_each(Site::open);
    for asked in under_way {
        assert_eq!(asked.await.expect("ends"), Ok(200));
    }
    assert_eq!((one.asked().len(), other.asked().len(), third.asked().len()), (3, 1, 0));
}

#[tokio::test]
async fn the_address_is_checked_although_connections_are_kept() {
    let receiver = Site::answering(Reply::json("{}")).await;
    let strict = Outgoing::for_webhooks(OutgoingRules::default(), WebhookBounds { at_once: 4, at_once_per_host: 4 });

    for host in ["localhost", "127.0.0.1", "[::1]"] {
        let refused = post(&strict, &format!("https://{host}:{}/a", receiver.address.port()), &[]).await;
        assert!(matches!(refused, Err(OutgoingError::Refused { .. })), "{host}: {refused:?}");
    }
    assert_eq!(receiver.asked().len(), 0);
}

#[tokio::test]
async fn headers_are_sent_by_whatever_name_and_a_bad_one_fails_the_request() {
    let receiver = Site::answering(Reply::json("{}")).await;
    let outgoing = outgoing(8, 2);
    let name = format!("X-{}", "team".to_uppercase());

    let sent = post(&outgoing, &receiver.url("/a"), &[(&name, "a"), ("x-other", "b")]).await;
    assert!(sent.is_ok());
    for (name, value) in [("x y", "a"), ("", "a"), ("x", "a\r\nb: c"), ("x", "a\0")] {
        let refused = post(&outgoing, &receiver.url("/a"), &[(name, value)]).await;
        assert!(matches!(refused, Err(OutgoingError::BadHeader { .. })), "{name:?}: {value:?}");
    }

    let asked = receiver.asked();
    assert_eq!((asked.len(), asked[0].header("x-team"), asked[0].header("x-other")), (1, Some("a"), Some("b")));
}

#[tokio::test]
async fn what_was_answered_is_not_printed() {
    let reply = Reply::json("t0ken").with_header("x-token", "t0ken");
    let receiver = Site::answering(reply).await;

    let fetched = post(&outgoing(8, 2), &receiver.url("/a"), &[]).await.expect("an answer");

    assert_eq!(format!("{fetched:?}"), "Fetched { host: \"127.0.0.1\", status: 200, bytes: 5, .. }");
}
