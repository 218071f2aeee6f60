//! Permissions and scopes for webhooks.

use grantor::rules::identity::permission::Role;
use serde_json::json;

use super::{PATH, created, least, path, shown};
use crate::support::errors::strings;
use crate::support::{Bearer, TestApp};

on_both! {
    async fn webhooks_require_the_manage_integrations_permission(engine: Engine) {
        let app = TestApp::start(engine).await;
        let admin = app.operator("Acme").await;
        created(&admin, &least("CRM")).await;
        let standard = admin.colleague("ada@acme.example", Role::Standard).await;
        let reader = admin.colleague("grace@acme.example", Role::ReadOnly).await;
        let lacks = strings(
            "the role of this user lacks the permission manage_integrations: ask a member of the \
             organization whose role has it",
        );

        standard.get(&path("CRM")).await.is(200, &shown("CRM"));
        created(&standard, &least("Hers")).await;
        reader.get(PATH).await.is(403, &lacks);
        reader.post(PATH, &least("New")).await.is(403, &lacks);
        reader.get(&path("CRM")).await.is(403, &lacks);
        reader.get(&path("nothing")).await.is(403, &lacks);
        reader.put(&path("CRM"), &json!({"encode_as": "form"})).await.is(403, &lacks);
        reader.delete(&path("CRM")).await.is(403, &lacks);
        let refused = app.get(&path("CRM")).await;
        refused.is(401, &strings("Unauthorized"));
        assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"grantor\""));
        admin.get(&path("CRM")).await.is(200, &shown("CRM"));
    }

    async fn a_token_needs_the_scope_too(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let console = app.registered("A console").await;
        let with_scope = Bearer::of(&operator, &console, "manage_integrations", &[]).await;

        assert_eq!(with_scope.post(PATH, &least("CRM")).await.status, 201);
        with_scope.get(&path("CRM")).await.is(200, &shown("CRM"));

        let without = Bearer::of(&operator, &console, "org_authorized_apps_write", &[]).await;
        let lacks = "the access token lacks the scope manage_integrations: have its user authorize the client for it";
        without.get(&path("CRM")).await.is(403, &strings(lacks));
    }

    async fn other_methods_are_refused_with_allow(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let expected = strings("this method is not allowed here: the Allow header lists the allowed methods");

        let of_all = operator.delete(PATH).await;
        let of_one = operator.post(&path("CRM"), &json!({})).await;

        of_all.is(405, &expected);
        of_one.is(405, &expected);
        assert_eq!(of_all.header("allow"), Some("GET, HEAD, POST, OPTIONS"));
        assert_eq!(of_one.header("allow"), Some("GET, HEAD, PUT, DELETE, OPTIONS"));
    }
}
