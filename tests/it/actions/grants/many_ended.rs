//! Events about many ended grants are grouped by client, so that writing them is fast.

use grantor::actions::audit::AuditActor;
use grantor::actions::clients::disable_client::disable_client;
use grantor::db::orgs::org_clients;
use grantor::rules::scope::ScopeSet;
use serde_json::json;
use uuid::Uuid;

use crate::db::fixtures::{client_id, execute, org_id};
use crate::db::grant_fixtures::people_and_clients;
use crate::support::outbox::{Delivery, deliveries, insert_webhook, lanes};
use crate::support::{Engine, START, TestApp, listed};

const BY: AuditActor = AuditActor::COMMAND_LINE;

/// Two clients in Acme: 501 users authorized client One, and all but one of them client Two. One
/// webhook receives all events.
async fn crowd(app: &TestApp, engine: Engine) {
    people_and_clients(app.db()).await;
    let mut tx = app.db().begin().await.expect("begins");
    for number in [1, 2] {
        org_clients::lock(&mut tx, org_id(1), client_id(number), START).await.expect("is locked");
    }
    tx.commit().await.expect("commits");
    insert_webhook(app, 1, org_id(1), None).await;
    let sqlite = "
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 501)
        INSERT INTO users (id, email, password_hash, created_at)
        SELECT randomblob(16), 'user' || i || '@crowd.example', '', 0 FROM n;
        INSERT INTO memberships (org_id, user_id, role, created_at)
        SELECT o.id, u.id, 'standard', 0 FROM orgs o, users u WHERE o.name = 'Acme' AND u.email LIKE '%@crowd.example';
        INSERT INTO grants (id, org_id, client_id, user_id, consent_digest, consented_at, created_at, modified_at)
        SELECT randomblob(16), m.org_id, c.id, u.id, zeroblob(32), 0, 0, 0
          FROM memberships m JOIN users u ON u.id = m.user_id, clients c
         WHERE u.email LIKE '%@crowd.example' AND (c.client_name = 'One' OR u.email <> 'user1@crowd.example');
        INSERT INTO grant_scopes (grant_id, scope) SELECT id, 'mcp_read' FROM grants";
    let postgres = "
        INSERT INTO users (id, email, password_hash, created_at)
        SELECT gen_random_uuid(), 'user' || i || '@crowd.example', '', 0 FROM generate_series(1, 501) i;
        INSERT INTO memberships (org_id, user_id, role, created_at)
        SELECT o.id, u.id, 'standard', 0 FROM orgs o, users u WHERE o.name = 'Acme' AND u.email LIKE '%@crowd.example';
        INSERT INTO grants (id, org_id, client_id, user_id, consent_digest, consented_at, created_at, modified_at)
        SELECT gen_random_uuid(), m.org_id, c.id, u.id, decode(repeat('00', 32), 'hex'), 0, 0, 0
          FROM memberships m JOIN users u ON u.id = m.user_id, clients c
         WHERE u.email LIKE '%@crowd.example' AND (c.client_name = 'One' OR u.email <> 'user1@crowd.example');
        INSERT INTO grant_scopes (grant_id, scope) SELECT id, 'mcp_read' FROM grants";
    execute(app, engine, sqlite, postgres).await;
}

/// The number of ended grants in the audit trail.
async fn recorded(app: &TestApp) -> usize {
    let events = listed::audit_events(app.db(), org_id(1), 2_000).await.expect("is readable");
    events
        .iter()
        .filter(|event| event.action == "grant.revoked" && event.subject.starts_with("grant:"))
        .count()
}

fn lane(number: u64) -> Uuid {
    client_id(number).uuid()
}

fn shown(queued: &[Delivery]) -> Vec<(&str, Uuid, Option<u64>)> {
    queued
        .iter()
        .map(|one| (one.kind.as_str(), one.client_id, one.data()["grants"].as_u64()))
        .collect()
}

on_both! {
    async fn up_to_five_hundred_ended_grants_are_published_one_by_one_and_more_as_a_summary(engine: Engine) {
        let app = TestApp::start(engine).await;
        crowd(&app, engine).await;
        let disable = async |number| {
            disable_client(app.context(), org_id(1), client_id(number), None, &BY).await.expect("is disabled").grants
        };

        assert_eq!(disable(1).await, 501);
        let together = deliveries(&app).await;
        assert_eq!(shown(&together), [("grant.revoked", lane(1), Some(501))]);
        let expected = json!({
            "title": "The grants of 501 users to One were revoked because the client was disabled.",
            "org_id": org_id(1),
            "grant_id": null,
            "client": {"id": client_id(1).to_string(), "name": "One"},
            "user": null,
            "scopes": null,
            "grants": 501,
            "cause": "client_disabled",
            "actor": "command_line",
        });
        assert_eq!(together[0].data(), expected);
        assert_eq!(recorded(&app).await, 501);

        assert_eq!(disable(2).await, 500);
        let one_by_one = deliveries(&app).await.split_off(1);
        assert_eq!(shown(&one_by_one), [("grant.revoked", lane(2), Some(1)); 500]);
        assert!(one_by_one.iter().all(|one| one.data()["user"]["email"].is_string()));
        assert_eq!(recorded(&app).await, 1_001);
        assert_eq!(lanes(&app).await.iter().map(|lane| lane.client_id).collect::<Vec<_>>(), [lane(1), lane(2)]);
    }

    async fn a_default_that_ends_many_grants_is_published_once_and_then_per_client(engine: Engine) {
        let app = TestApp::start(engine).await;
        crowd(&app, engine).await;
        let openid = ScopeSet::parse("openid").expect("scopes");

        let narrowed = app.set_default_scopes(org_id(1), Some(&openid)).await;

        assert_eq!(narrowed.expect("is set"), 1_001);
        let queued = deliveries(&app).await;
        let expected = [
            ("restriction.changed", Uuid::nil(), None),
            ("grant.revoked", lane(1), Some(501)),
            ("grant.revoked", lane(2), Some(500)),
        ];
        assert_eq!(shown(&queued), expected);
        assert!(queued[1..].iter().all(|one| one.data()["cause"] == "restriction_changed"));
        assert_eq!(recorded(&app).await, 1_001);
    }
}
