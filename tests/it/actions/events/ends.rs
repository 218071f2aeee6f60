//! Events about the end of grants, for each cause, and of token families.

use std::time::Duration;

use grantor::actions::clients::disable_client::{disable_client, enable_client};
use grantor::actions::grants::revoke_grant::revoke_grant;
use grantor::actions::users::disable_user;
use grantor::actions::users::remove_temporary_user;
use grantor::db::grants;
use serde_json::json;
use uuid::Uuid;

use super::{
    BY, DAY, NO_LIMIT, about, and, client_id, event, events_of, grant_id, kinds_of, started,
};
use crate::support::TestApp;
use crate::support::granted::Granted;
use crate::support::outbox::{deliveries, insert_webhook};

on_both! {
    async fn the_end_of_a_grant_is_published_once_for_every_cause(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        granted.code("openid").await;
        let id = grants::find(app.db(), granted.org_id(), client_id(&granted), granted.user.id).await;
        let id = id.expect("is readable").expect("is there").id;
        let end = async || revoke_grant(app.context(), id, |_| true, &BY).await.expect("is ended");
        let revoked = |cause: &str, words: &str| {
            let title = format!("admin@acme.example's grant to App {words}.");
            let data = about(&granted, &json!(id), &["openid"], &title);
            let more = [("grants", json!(1)), ("cause", json!(cause)), ("actor", json!("command_line"))];
            [event("grant.revoked", and(data, more))]
        };

        assert_eq!(events_of(&app, end).await, revoked("revoked", "was revoked"));
        assert_eq!(events_of(&app, end).await, []);

        granted.code("openid").await;
        let (org_id, client) = (granted.org_id(), client_id(&granted));
        let disable = async || disable_client(app.context(), org_id, client, None, &BY).await.expect("is disabled");
        assert_eq!(events_of(&app, disable).await, revoked("client_disabled", "was revoked because the client was disabled"));
        assert_eq!(events_of(&app, disable).await, []);
        let enable = async || enable_client(app.context(), org_id, client, &BY).await.expect("is enabled");
        assert_eq!(events_of(&app, enable).await, []);

        granted.code("openid").await;
        let (operators, email) = (&app.app.callers, granted.user.email.as_str());
        let disable = async || disable_user::disable_user(app.context(), operators, email, &BY).await.expect("is disabled");
        assert_eq!(events_of(&app, disable).await, revoked("user_disabled", "was revoked because the user was disabled"));
        assert_eq!(events_of(&app, disable).await, []);
    }

    async fn removing_a_user_publishes_the_end_of_their_grants(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        let eve = granted.another_user("eve@acme.example").await;
        eve.code("openid").await;
        app.execute("DELETE FROM authorization_codes").await;

        let removed = events_of(&app, async || {
            remove_temporary_user::remove_temporary_user(app.context(), eve.org_id(), eve.user.id, None, &BY).await.expect("is removed");
        })
        .await;

        assert_eq!(kinds_of(&removed), ["grant.revoked"]);
        assert_eq!((&removed[0].1["cause"], &removed[0].1["user"]["email"]), (&json!("user_removed"), &json!("eve@acme.example")));
    }

    async fn disabling_a_user_tells_each_organization_about_its_own_grants_only(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        let eve = granted.another_user("eve@mail.example").await;
        let umbra = Granted::of(&app, "Umbra").await;
        insert_webhook(&app, 2, umbra.org_id(), None).await;
        let in_umbra = umbra.another_user("eve@mail.example").await;
        for consent in [&eve, &eve.another_client("Second").await, &in_umbra] {
            consent.code("openid").await;
        }

        let before = deliveries(&app).await.len();
        disable_user::disable_user(app.context(), &app.app.callers, "eve@mail.example", &BY).await.expect("is disabled");

        let written = deliveries(&app).await.split_off(before);
        let of = |org: &Granted<'_>| {
            let org_id = json!(org.org_id());
            written.iter().filter(|one| one.data()["org_id"] == org_id).map(|one| one.webhook_id).collect::<Vec<_>>()
        };
        let (acme, other) = (of(&granted), of(&umbra));
        assert_eq!((acme.len(), other.len(), written.len()), (2, 1, 3));
        assert!(acme.iter().all(|webhook| *webhook != other[0]), "{acme:?} {other:?}");
    }

    async fn reuse_of_a_refresh_token_is_published_and_other_ends_of_a_family_are_not(engine: Engine) {
        let app = TestApp::with(engine, &[NO_LIMIT]).await;
        let granted = started(&app).await;
        let (first, code) = (granted.tokens("openid mcp_read").await, granted.code_of_mcp("openid mcp_read").await);
        let done = granted.tokens("openid mcp_read").await;
        let refreshed = granted.refreshed(&first.refresh).await;
        granted.refreshed(&crate::support::granted::Tokens::of(&refreshed).refresh).await;
        app.clock.advance(Duration::from_secs(DAY));

        let reused = events_of(&app, async || granted.refreshed(&first.refresh).await).await;
        let again = events_of(&app, async || granted.refreshed(&first.refresh).await).await;
        let other = events_of(&app, async || {
            granted.revoked(&done.refresh).await;
            granted.exchanged(&code).await;
            granted.exchanged(&code).await
        })
        .await;

        let id = grant_id(&granted).await;
        let title = "A refresh token of App for admin@acme.example was used twice, so its token family was revoked.";
        let [(kind, data)] = reused.as_slice() else { panic!("{reused:?}") };
        let family = data["family_id"].clone();
        assert!(family.as_str().is_some_and(|text| Uuid::parse_str(text).is_ok()), "{family}");
        let expected = and(about(&granted, &id, &["mcp_read", "openid"], title), [("family_id", family)]);
        assert_eq!((kind.as_str(), data), ("refresh_token.reused", &expected));
        assert_eq!((again, other), (Vec::new(), Vec::new()));
    }
}
