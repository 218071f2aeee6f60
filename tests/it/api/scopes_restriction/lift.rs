//! `DELETE` removes the restriction.

use crate::support::errors::no_such_client;
use crate::support::{TestApp, restricted, restriction_path, unrestricted};

const NOBODY: &str = "72b68208-36a6-11f0-b21b-da7ad0900002";

on_both! {
    async fn a_deleted_restriction_reads_as_null(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        operator.restrict(&client_id, &["openid"], &["mcp_read"]).await;

        let answer = operator.delete(&restriction_path(&client_id)).await;

        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
        assert_eq!(answer.header("content-type"), None);
        operator.get(&restriction_path(&client_id)).await.is(200, &unrestricted(&client_id));
    }

    async fn deleting_a_missing_restriction_succeeds(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);

        let first = operator.delete(&restriction_path(&client_id)).await;
        let again = operator.delete(&restriction_path(&client_id)).await;

        assert_eq!((first.status.as_u16(), again.status.as_u16()), (204, 204));
        operator.get(&restriction_path(&client_id)).await.is(200, &unrestricted(&client_id));
    }

    async fn a_deleted_restriction_can_be_set_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        operator.restrict(&client_id, &["openid"], &["mcp_read"]).await;
        operator.delete(&restriction_path(&client_id)).await;

        let answer = operator.restrict(&client_id, &[], &["mcp_write"]).await;

        answer.is(200, &restricted(&client_id, &[], &["mcp_write"]));
    }

    async fn a_client_that_does_not_exist_is_not_found(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;

        let answer = operator.delete(&restriction_path(NOBODY)).await;

        answer.is(404, &no_such_client());
    }
}
