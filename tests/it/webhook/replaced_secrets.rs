//! An operator who does not know a secret sends a wrong one, to have the real one sent to a receiver of their own.

use std::time::Duration;

use grantor::oauth::permission::Role;
use serde_json::{Value, json};

use super::stage::{Stage, cause, create, deliveries};
use crate::support::{Reply, Site, TestOperator};

const VARIABLES: &str = "/api/v1/integration/webhooks/configuration/custom-variables";

async fn give(operator: &TestOperator<'_>, value: &str) {
    let given = operator.put(&format!("{VARIABLES}/KEY"), &json!({"value": value})).await;
    assert_eq!(given.status, 200, "{}", given.text);
}

fn with_key(name: &str, receiver: &Site) -> Value {
    json!({"name": name, "url": receiver.url("/"), "payload": "{\"key\": \"$KEY\"}"})
}

/// The values that a receiver got.
fn got(receiver: &Site) -> Vec<Value> {
    receiver.asked().iter().map(|asked| asked.json()["key"].clone()).collect()
}

on_both! {
    async fn a_wrong_value_does_not_lead_the_real_one_to_another_receiver(engine: Engine) {
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
        stage.app.hand.advance(Duration::from_secs(10));
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
}
