//! Events of concurrent changes.

use futures_util::future::try_join_all;
use grantor::actions::authorize::approve::ApproveError;
use grantor::actions::users::disable_user;
use serde_json::{Value, json};

use super::{BY, NO_LIMIT, scopes, started};
use crate::support::TestApp;
use crate::support::granted::{Granted, MCP, asks};
use crate::support::outbox::{insert_webhook, queued_events};

on_both! {
    async fn events_of_one_client_are_queued_in_order(engine: Engine) {
        let app = TestApp::with(engine, &[NO_LIMIT, ("limits.operator_per_minute", "0")]).await;
        let replica = app.replica_with(&[NO_LIMIT, ("limits.operator_per_minute", "0")]).await;
        let granted = started(&app).await;
        let eve = granted.another_user("eve@acme.example").await;
        let (there, eve_there) = (granted.on(&replica), eve.on(&replica));
        let request = asks("openid mcp_read", &[MCP]);
        let restricting = async |granted: &Granted<'_>, lists: [&'static [&'static str]; 2]| {
            for _ in 0..8 {
                for scopes in lists {
                    let answer = granted.operator.restrict(&granted.client_id, &["openid"], scopes).await;
                    assert_eq!(answer.status, 200, "{}", answer.text);
                }
            }
        };
        let consenting = async |granted: &Granted<'_>| {
            for _ in 0..12 {
                match granted.approve(&request).await {
                    Ok(_) | Err(ApproveError::Changed) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        };

        granted.code_for(&request).await;
        tokio::join!(
            restricting(&granted, [&["mcp_read"], &[]]),
            restricting(&there, [&["mcp_write"], &["mcp_read", "mcp_write"]]),
            consenting(&granted),
            consenting(&there),
            consenting(&eve),
            consenting(&eve_there),
        );

        let all = queued_events(&app).await;
        let mut restriction = Value::Null;
        let mut held = std::collections::BTreeMap::new();
        for (kind, data) in &all {
            let user = data["user"]["id"].to_string();
            match kind.as_str() {
                "restriction.changed" => {
                    assert_eq!(data["before"], restriction, "each follows the one before it");
                    restriction = data["after"].clone();
                }
                "grant.given" => {
                    let before = held.insert(user, data["scopes"].clone()).unwrap_or_default();
                    assert_eq!(data["scopes_before"], before);
                }
                "grant.revoked" => assert_eq!(held.remove(&user), Some(data["scopes"].clone())),
                "client.first_authorized" | "restriction.hit" => {}
                other => panic!("{other}"),
            }
        }
        let queued = |kind: &str| all.iter().filter(|(found, _)| found == kind).count();
        let events = granted.events().await;
        let recorded = |action: &str| events.iter().filter(|event| event.action == action).count();
        assert!(queued("restriction.changed") > 16 && queued("grant.revoked") > 0);
        assert_eq!(recorded("scopes_restriction.set"), 32);
        for kind in ["grant.given", "grant.revoked"] {
            assert_eq!(queued(kind), recorded(kind), "{kind}");
        }
    }

    async fn ending_grants_of_many_clients_does_not_deadlock_with_consents(engine: Engine) {
        let app = TestApp::with(engine, &[NO_LIMIT]).await;
        let replica = app.replica_with(&[NO_LIMIT]).await;
        let ada = started(&app).await;
        insert_webhook(&app, 2, ada.org_id(), None).await;
        let mut of_ada = vec![ada.on(&app)];
        for number in 0..8 {
            of_ada.push(ada.another_client(&format!("Client {number}")).await);
        }
        for round in 0..4 {
            let email = format!("eve-{round}@acme.example");
            let eve = ada.another_user(&email).await;
            let of_eve: Vec<Granted<'_>> =
                of_ada.iter().map(|one| Granted { client_id: one.client_id.clone(), ..eve.on(&replica) }).collect();
            for one in &of_eve {
                one.code("openid").await;
            }
            let request = asks(if round % 2 == 0 { "openid email" } else { "openid mcp_read" }, &[]);
            let defaults = scopes("openid email mcp_read");

            let (disabled, narrowed, consents) = tokio::join!(
                disable_user::disable_user(replica.context(), &replica.app.callers, &email, &BY),
                app.set_default_scopes(ada.org_id(), Some(&defaults)),
                try_join_all(of_ada.iter().rev().map(|one| one.approve(&request))),
            );

            disabled.expect("is disabled");
            narrowed.expect("is set");
            match consents {
                Ok(_) | Err(ApproveError::Changed) => {}
                Err(error) => panic!("{error}"),
            }
            let revoked = |(kind, data): &(String, Value)| kind == "grant.revoked" && data["user"]["email"] == json!(email);
            let all = queued_events(&app).await;
            assert_eq!(all.iter().filter(|one| revoked(one)).count(), 2 * of_eve.len());
        }
    }
}
