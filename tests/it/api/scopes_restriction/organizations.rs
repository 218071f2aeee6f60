//! A restriction belongs to one organization. Others can neither see nor change it.

use crate::support::{TestApp, restricted, restriction_path, unrestricted};

on_both! {
    async fn another_organization_reads_no_restriction(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbrella) = (app.operator("Acme").await, app.operator("Umbrella").await);
        let client_id = app.registered("A client").await;
        acme.restrict(&client_id, &["openid"], &["mcp_read"]).await;

        let answer = umbrella.get(&restriction_path(&client_id)).await;

        answer.is(200, &unrestricted(&client_id));
    }

    async fn changes_of_another_organization_have_no_effect(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbrella) = (app.operator("Acme").await, app.operator("Umbrella").await);
        let client_id = app.registered("A client").await;
        acme.restrict(&client_id, &["openid"], &["mcp_read"]).await;

        let lifted_nothing = umbrella.delete(&restriction_path(&client_id)).await;
        umbrella.restrict(&client_id, &[], &[]).await;

        assert_eq!(lifted_nothing.status, 204);
        acme.get(&restriction_path(&client_id)).await.is(200, &restricted(&client_id, &["openid"], &["mcp_read"]));
        umbrella.get(&restriction_path(&client_id)).await.is(200, &restricted(&client_id, &[], &[]));
    }

    async fn a_restriction_does_not_affect_other_clients(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let (one, other) = (app.registered("One client").await, app.registered("Another client").await);

        operator.restrict(&one, &[], &[]).await;

        operator.get(&restriction_path(&other)).await.is(200, &unrestricted(&other));
    }

    async fn colleagues_share_one_restriction(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let colleague = operator.colleague("ada@acme.example", grantor::rules::identity::permission::Role::Admin).await;
        operator.restrict(&client_id, &["openid"], &[]).await;

        colleague.restrict(&client_id, &["email"], &[]).await;

        operator.get(&restriction_path(&client_id)).await.is(200, &restricted(&client_id, &["email"], &[]));
    }
}
