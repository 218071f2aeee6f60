//! An operator who does not know a secret sets a wrong one, to make the server send the real one to
//! their receiver.

use std::time::Duration;

use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use super::stage::{AUTH_METHODS, Stage, auth_method, cause, create, deliveries};
use crate::support::{Reply, Site, TestOperator};

const VARIABLES: &str = "/api/v1/integration/webhooks/configuration/custom-variables";

async fn give(operator: &TestOperator<'_>, value: &str) {
    let given = operator.put(&format!("{VARIABLES}/KEY"), &json!({"value": value})).await;
    assert_eq!(given.status, 200, "{}", given.text);
}

fn with_key(name: &str, receiver: &Site) -> Value {
    json!({"name": name, "url": receiver.url("/"), "payload": "{\"key\": \"$KEY\"}"})
}

async fn give_client_secret(operator: &TestOperator<'_>, id: &str, secret: &str, endpoint: &Site) {
    let attributes = json!({"client_secret": secret, "access_token_url": endpoint.url("/token")});
    let body = json!({"data": {"type": "webhooks-auth-method-oauth2-client-credentials", "attributes": attributes}});
    let given = operator.patch(&format!("{AUTH_METHODS}/{id}"), &body).await;
    assert_eq!(given.status, 200, "{}", given.text);
}

/// The values that a receiver got.
fn got(receiver: &Site) -> Vec<Value> {
    receiver.requests().iter().map(|asked| asked.json()["key"].clone()).collect()
}

on_both! {
    async fn a_wrong_secret_value_does_not_send_the_real_one_to_another_receiver(engine: Engine) {
        let (stage, theirs) = (Stage::new(engine).await, Site::answering(Reply::status(200)).await);
        let ann = stage.app.operator("Acme").await;
        let eve = ann.colleague("eve@acme.example", Role::Standard).await;
        let client_id = stage.app.registered("App").await;
        let made = ann.post(VARIABLES, &json!({"name": "KEY", "value": "hunter2", "is_secret": true})).await;
        assert_eq!(made.status, 201, "{}", made.text);
        create(&ann, with_key("CRM", &stage.hook)).await;

        give(&eve, "wrong").await;
        create(&eve, with_key("events", &theirs)).await;
        cause(&ann, &client_id, 1).await;
        stage.send().await;
        assert_eq!((got(&stage.hook), got(&theirs)), (vec![], vec![json!("wrong")]));

        give(&ann, "hunter2").await;
        cause(&ann, &client_id, 2).await;
        stage.app.clock.advance(Duration::from_secs(10));
        stage.send().await;

        assert_eq!((got(&stage.hook), got(&theirs)), (vec![json!("hunter2"); 2], vec![json!("wrong")]));
        let waiting = deliveries(&ann, "?state=waiting").await;
        let failure = format!(
            "the secret variable KEY may no longer be sent to this origin, because a user who had not bound it there replaced \
             the secret. To send it to {}, send the value of KEY again and repeat this request within a day",
            theirs.url("")
        );
        assert_eq!((waiting.len(), &waiting[0]["attributes"]["failure"]), (1, &json!(failure)));
    }

    async fn a_wrong_client_secret_does_not_send_access_tokens_to_another_receiver(engine: Engine) {
        let token = Reply::json(json!({"access_token": "real", "token_type": "Bearer", "expires_in": 3_600}));
        let (stage, tokens) = (Stage::new(engine).await, Site::answering(token).await);
        let theirs = Site::answering(Reply::status(200)).await;
        let ann = stage.app.operator("Acme").await;
        let eve = ann.colleague("eve@acme.example", Role::Standard).await;
        let client_id = stage.app.registered("App").await;
        let id = auth_method(&ann, &tokens.url("/token")).await;
        let webhook = |name: &str, receiver: &Site| json!({"name": name, "url": receiver.url("/"), "auth_method_id": id});
        create(&ann, webhook("CRM", &stage.hook)).await;

        give_client_secret(&eve, &id, "wrong", &theirs).await;
        create(&eve, webhook("events", &theirs)).await;
        give_client_secret(&ann, &id, "the-secret-of-the-receiver", &tokens).await;
        cause(&ann, &client_id, 1).await;
        stage.send().await;

        let presented: Vec<_> =
            stage.hook.requests().iter().map(|asked| asked.header("authorization").map(str::to_owned)).collect();
        assert_eq!(presented, [Some("Bearer real".to_owned())]);
        assert_eq!((tokens.requests().len(), theirs.requests().len()), (1, 0));
    }
}
