//! Events about consents: the granted and the withheld scopes.

use grantor::db::grants;
use serde_json::{Value, json};

use super::{about, and, client_id, event, events_of, grant_id, kinds_of, scopes, started};
use crate::support::granted::{Granted, asks};
use crate::support::outbox::{deliveries, insert_webhook, kinds, lanes};
use crate::support::{START, TestApp};

on_both! {
    async fn the_first_consent_and_each_different_one_are_published(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        let eve = granted.another_user("eve@acme.example").await;

        let first = events_of(&app, async || granted.code("openid mcp_read").await).await;
        let again = events_of(&app, async || granted.code("openid mcp_read").await).await;
        let more = events_of(&app, async || granted.code("openid mcp_write").await).await;
        let hers = events_of(&app, async || eve.code("openid").await).await;

        let id = grant_id(&granted).await;
        let title = "admin@acme.example was the first in the organization to authorize App.";
        let both = ["mcp_read", "openid"];
        let given = |held, before| {
            and(about(&granted, &id, held, "admin@acme.example authorized App."), [("scopes_before", before)])
        };
        assert_eq!(first, [
            event("client.first_authorized", about(&granted, &id, &both, title)),
            event("grant.given", given(&both, Value::Null)),
        ]);
        assert_eq!(again, []);
        let three = ["mcp_read", "mcp_write", "openid"];
        assert_eq!(more, [event("grant.given", given(&three, json!(both)))]);
        let hers_expected = about(&eve, &grant_id(&eve).await, &["openid"], "eve@acme.example authorized App.");
        assert_eq!(hers, [event("grant.given", and(hers_expected, [("scopes_before", Value::Null)]))]);
        let written = deliveries(&app).await;
        assert!(written.iter().all(|one| one.client_id == client_id(&granted).uuid()));
        assert!(written.iter().all(|one| one.occurred_at == START.seconds() && one.state == "waiting"));
    }

    async fn a_cleared_box_is_published_as_the_scopes_of_the_grant(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        granted.code("openid mcp_read email").await;
        let request = asks("openid mcp_read", &[]);
        let waiting = granted.waiting(&request).await;
        let offer = granted.offer(&waiting).await.expect("is offered");

        let cleared = events_of(&app, async || {
            granted.answer(&waiting, Some((&offer, &scopes("openid")))).await.expect("is given")
        })
        .await;

        let [(kind, data)] = cleared.as_slice() else { panic!("{cleared:?}") };
        assert_eq!((kind.as_str(), &data["scopes"]), ("grant.given", &json!(["email", "openid"])));
        assert_eq!(data["scopes_before"], json!(["email", "mcp_read", "openid"]));
        let found = grants::find(app.db(), granted.org_id(), client_id(&granted), granted.user.id).await;
        assert_eq!(found.expect("is readable").expect("is there").scopes, scopes("email openid"));
    }

    async fn a_narrowed_consent_lists_the_withheld_scopes(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        granted.operator.restrict(&granted.client_id, &["openid"], &["mcp_read"]).await;

        let request = asks("openid email mcp_read mcp_write", &[]);
        let given = events_of(&app, async || granted.code_for(&request).await).await;
        let silently = events_of(&app, async || {
            let waiting = granted.waiting(&request).await;
            granted.answer(&waiting, None).await.expect("is given")
        })
        .await;

        assert_eq!(kinds_of(&given), ["client.first_authorized", "grant.given", "restriction.hit"]);
        let title = "App asked admin@acme.example for scopes that the organization does not allow, and was granted the rest.";
        let expected = json!({
            "title": title,
            "org_id": granted.org_id(),
            "client": {"id": granted.client_id, "name": "App"},
            "user": {"id": granted.user.id, "email": "admin@acme.example"},
            "withheld": ["email", "mcp_write"],
            "outcome": "narrowed",
        });
        assert_eq!(given[2].1, expected);
        assert_eq!(silently, [], "a silent approval grants nothing new");
    }

    async fn nothing_is_queued_without_a_webhook(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let umbra = app.operator("Umbra").await;
        insert_webhook(&app, 1, umbra.org_id, None).await;

        granted.code("openid").await;
        granted.operator.restrict(&granted.client_id, &[], &[]).await;

        assert_eq!(kinds(&app).await, Vec::<String>::new());
        assert_eq!(lanes(&app).await, []);
    }
}
