//! Spans are sent by OTLP, and only if a collector is configured.

use crate::support::{Engine, Program, Reply, Site};

/// A collector that accepts everything.
async fn collector() -> Site {
    Site::answering(Reply::status(200).with_header("content-type", "application/x-protobuf")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_arrive_at_the_collector_that_is_named() {
    let collector = collector().await;
    let program =
        Program::on(Engine::Sqlite).await.with("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url(""));
    let server = program.start();
    server.registered("A client");

    assert_eq!(server.stop().code, 0);

    let posted = &collector.requests()[0];
    assert!(posted.head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{posted:?}");
    assert!(posted.body.contains("service.name") && posted.body.contains("grantor"), "{posted:?}");
    assert!(posted.body.contains("/api/v2/oauth2/register"), "{posted:?}");
}

/// Exports without a configured collector would go to this proxy and be noticed.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_variable_nothing_leaves_the_server() {
    let collector = collector().await;
    let program = Program::on(Engine::Sqlite).await.with("http_proxy", collector.url(""));
    let server = program.start();
    server.registered("A client");

    assert_eq!(server.stop().code, 0);

    assert_eq!(collector.requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_can_be_disabled_by_its_own_variable() {
    let collector = collector().await;
    let program = Program::on(Engine::Sqlite)
        .await
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url(""))
        .with("OTEL_SDK_DISABLED", "true");
    let server = program.start();
    server.registered("A client");

    assert_eq!(server.stop().code, 0);

    assert_eq!(collector.requests().len(), 0);
}
