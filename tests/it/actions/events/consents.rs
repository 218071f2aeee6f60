//! What a user gives a client, and what was withheld.

use grantor::db::grants;
use serde_json::{Value, json};

use super::{about, and, client_id, event, grant_id, kinds_of, scopes, started, told_of};
use crate::support::granted::{Granted, asks};
use crate::support::outbox::{deliveries, insert_webhook, kinds, lanes};
use crate::support::{START, TestApp};

on_both! {
    async fn the_first_consent_of_an_organization_and_each_that_gives_something_else_is_told(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        let eve = granted.another_user("eve@acme.example").await;

        let first = told_of(&app, async || granted.code("openid mcp_read").await).await;
        let again = told_of(&app, async || granted.code("openid mcp_read").await).await;
        let more = told_of(&app, async || granted.code("openid mcp_write").await).await;
        let hers = told_of(&app, async || eve.code("openid").await).await;

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

    async fn a_box_that_is_cleared_is_told_as_what_the_grant_holds_then(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        granted.code("openid mcp_read email").await;
        let request = asks("openid mcp_read", &[]);
        let waiting = granted.waiting(&request).await;
        let offer = granted.offer(&waiting).await.expect("is offered");

        let cleared = told_of(&app, async || {
            granted.answer(&waiting, Some((&offer, &scopes("openid")))).await.expect("is given")
        })
        .await;

        let [(kind, data)] = cleared.as_slice() else { panic!("{cleared:?}") };
        assert_eq!((kind.as_str(), &data["scopes"]), ("grant.given", &json!(["email", "openid"])));
        assert_eq!(data["scopes_before"], json!(["email", "mcp_read", "openid"]));
        let found = grants::find(app.db(), granted.org_id(), client_id(&granted), granted.user.id).await;
        assert_eq!(found.expect("is readable").expect("is there").scopes, scopes("email openid"));
    }

    async fn a_consent_that_a_restriction_has_narrowed_tells_what_was_withheld(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        granted.operator.restrict(&granted.client_id, &["openid"], &["mcp_read"]).await;

        let request = asks("openid email mcp_read mcp_write", &[]);
        let given = told_of(&app, async || granted.code_for(&request).await).await;
        let silently = told_of(&app, async || {
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
        assert_eq!(silently, [], "nothing is asked, and nothing is given that was not given before");
    }

    async fn nobody_is_told_where_nobody_listens(engine: Engine) {
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
