//! Events about restrictions and default scopes, with the values before and after.

use grantor::actions::authorize::approve::ApproveError;
use grantor::rules::scope::ScopeSet;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{about, actor, and, client_id, event, events_of, grant_id, kinds_of, scopes, started};
use crate::support::granted::asks;
use crate::support::outbox::{deliveries, kinds};
use crate::support::{TestApp, restriction_path};

on_both! {
    async fn a_restriction_is_published_with_its_previous_value_and_the_ended_grants(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        granted.code("openid mcp_read").await;
        let (id, path) = (grant_id(&granted).await, restriction_path(&granted.client_id));

        let set = events_of(&app, async || granted.operator.restrict(&granted.client_id, &["openid"], &[]).await).await;
        let once_more =
            events_of(&app, async || granted.operator.restrict(&granted.client_id, &["openid"], &[]).await).await;
        let lifted = events_of(&app, async || granted.operator.delete(&path).await).await;
        let again = events_of(&app, async || granted.operator.delete(&path).await).await;

        let actor = actor(&granted.operator, &granted);
        let changed = |title: &str, before: Value, after: Value, narrowed: u64| {
            let data = json!({
                "title": title,
                "org_id": granted.org_id(),
                "client": {"id": granted.client_id, "name": "App"},
                "before": before,
                "after": after,
                "grants_narrowed": narrowed,
                "actor": actor,
            });
            event("restriction.changed", data)
        };
        let openid = json!({"oidc_scopes": ["openid"], "permission_scopes": []});
        let title = "admin@acme.example's grant to App was revoked because its restriction was tightened.";
        let revoked = about(&granted, &id, &["mcp_read", "openid"], title);
        let revoked = and(revoked, [("grants", json!(1)), ("cause", json!("restriction_changed")), ("actor", json!(actor))]);
        assert_eq!(set, [
            changed("The restriction of App was changed.", Value::Null, openid.clone(), 1),
            event("grant.revoked", revoked),
        ]);
        assert_eq!(lifted, [changed("The restriction of App was lifted.", openid, Value::Null, 0)]);
        assert_eq!((once_more, again), (Vec::new(), Vec::new()), "nothing has changed");
    }

    async fn narrowed_grants_are_only_counted(engine: Engine) {
        let app = TestApp::with(engine, &[("restriction.on_narrow", "narrow_grants")]).await;
        let granted = started(&app).await;
        let eve = granted.another_user("eve@acme.example").await;
        granted.code("openid mcp_read").await;
        eve.code("mcp_read").await;

        let set = events_of(&app, async || granted.operator.restrict(&granted.client_id, &["openid"], &[]).await).await;

        assert_eq!(kinds_of(&set), ["restriction.changed", "grant.revoked"]);
        assert_eq!((&set[0].1["grants_narrowed"], &set[1].1["user"]["email"]), (&json!(2), &json!("eve@acme.example")));
    }

    async fn a_refused_change_is_not_published(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        let path = format!("{}?if_digest={}", restriction_path(&granted.client_id), "0".repeat(64));

        let moved = granted.operator.post(&path, &crate::support::upsert(&["openid"], &[])).await;
        let request = asks("email", &[]);
        let waiting = granted.waiting(&request).await;
        let offer = granted.offer(&waiting).await.expect("is offered");
        let nothing = granted.answer(&waiting, Some((&offer, &ScopeSet::default()))).await;

        assert_eq!(moved.status, 409, "{}", moved.text);
        assert!(matches!(nothing, Err(ApproveError::NothingChosen)), "{nothing:?}");
        assert_eq!(kinds(&app).await, Vec::<String>::new());
    }

    async fn new_defaults_are_published_without_a_client_and_ended_grants_with_their_client(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        let other = granted.another_client("Other").await;
        granted.code("openid mcp_read").await;
        other.code("openid mcp_read").await;
        let before = deliveries(&app).await.len();

        let narrowed = app.set_default_scopes(granted.org_id(), Some(&scopes("openid"))).await;

        assert_eq!(narrowed.expect("is set"), 2);
        let written = deliveries(&app).await.split_off(before);
        let expected = json!({
            "title": "The default client scopes changed.",
            "org_id": granted.org_id(),
            "client": null,
            "before": null,
            "after": {"default_client_scopes": ["openid"]},
            "grants_narrowed": 2,
            "actor": "command_line",
        });
        assert_eq!((written[0].kind.as_str(), written[0].data(), written[0].client_id), ("restriction.changed", expected, Uuid::nil()));
        let mut ended: Vec<Uuid> = written[1..].iter().map(|one| one.client_id).collect();
        let mut clients = [client_id(&granted).uuid(), client_id(&other).uuid()];
        ended.sort();
        clients.sort();
        assert_eq!(ended, clients);
        assert!(written[1..].iter().all(|one| one.kind == "grant.revoked"));
    }
}
