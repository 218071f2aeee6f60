//! `grantor keys forget`.

use serde_json::{Value, json};

use super::{METHODS, NEW, OLD, method, with_ring};
use crate::support::Program;

const METHODS_LIST: &str = "/api/v2/integration/webhooks/configuration/auth-method";
const WEBHOOKS: &str = "/api/v1/integration/webhooks/configuration/webhooks";
const VARIABLES: &str = "/api/v1/integration/webhooks/configuration/custom-variables";

const OPENS: &str = "the ring can decrypt what is encrypted with \"old\", so nothing is lost: `grantor keys re-encrypt` \
                     re-encrypts it with the newest key";
const ASKS: &str = "this deletes 1 auth method, 2 webhooks and 1 webhook variable, the webhooks that use these auth \
                    methods, and their waiting deliveries. Their organizations must create them again. Take a \
                    backup, then run this again with --yes";

on_both! {
    async fn forgetting_the_secrets_of_a_lost_key_lets_servers_start(engine: Engine) {
        let program = with_ring(&Program::on(engine).await, OLD);
        let (keys, server) = (program.bootstrap(), program.start());
        let create = |path: &str, body: Value| {
            let made = server.ask_with(&keys, "POST", path, &body.to_string());
            assert_eq!(made.status.as_u16(), 201, "{}", made.text);
            made.json()
        };
        let method = create(METHODS, method());
        create(WEBHOOKS, json!({"name": "uses-it", "url": "https://a.example", "auth_method_id": method["data"]["id"]}));
        create(WEBHOOKS, json!({"name": "by-itself", "url": "https://a.example"}));
        create(VARIABLES, json!({"name": "SECRET", "value": "s", "is_secret": true}));
        server.stop();
        let (lost, both) = (with_ring(&program, NEW), with_ring(&program, &format!("{NEW},{OLD}")));

        let nothing = lost.run(["keys", "forget", "new", "--yes"]);
        let not_lost = both.run(["keys", "forget", "old", "--yes"]);
        let asked = lost.run(["keys", "forget", "old"]);
        let done = lost.json(&["keys", "forget", "old", "--yes"]);
        lost.run(["keys", "rotate", "--now"]).succeeded();
        let server = lost.start();
        let left = server.ask_with(&keys, "GET", METHODS_LIST, "");

        nothing.failed(1, "no organization has secrets encrypted with \"new\"; `grantor keys status` lists all keys");
        not_lost.failed(1, OPENS);
        asked.failed(2, ASKS);
        assert_eq!(done, json!({"auth_methods": 1, "webhooks": 2, "webhook_variables": 1}));
        assert_eq!((left.status.as_u16(), &left.json()["data"]), (200, &json!([])));
    }
}
