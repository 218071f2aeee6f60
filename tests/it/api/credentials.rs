//! Credentials of the operator API. Keys are checked before the path, the parameters and the body.

use std::time::Duration;

use axum::http::Method;
use grantor::actions::audit::AuditActor;
use grantor::actions::keys::create_key::NewKeys;
use grantor::actions::keys::revoke_key;
use grantor::actions::users::disable_user;
use grantor::rules::identity::permission::Role;
use grantor::rules::secret::Secret;
use serde_json::{Value, json};

use crate::support::errors::json_api;
use crate::support::{
    Answer, TestApp, TestOperator, request, restriction_path, unrestricted, upsert,
};

fn forbidden() -> Value {
    json!({"errors": ["Forbidden"]})
}

fn lacks(permission: &str) -> Value {
    let detail = format!(
        "the role of this user lacks the permission {permission}: ask a member of the \
         organization whose role has it"
    );
    json_api(403, "Forbidden", &detail)
}

async fn get_with(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = headers
        .iter()
        .fold(request(Method::GET, path), |request, (name, value)| request.header(*name, *value));
    app.ask(request).await
}

/// An operator whose two keys belong to different users.
fn with_keys<'a>(
    operator: &TestOperator<'a>,
    api_key: &Secret,
    application_key: &Secret,
) -> TestOperator<'a> {
    let keys = NewKeys {
        api_key: api_key.clone(),
        application_key: application_key.clone(),
        ..operator.keys.clone()
    };
    TestOperator { app: operator.app, org_id: operator.org_id, email: operator.email.clone(), keys }
}

on_both! {
    async fn both_keys_are_required(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let path = restriction_path(&client_id);
        let (api_key, application_key) = (operator.keys.api_key.expose(), operator.keys.application_key.expose());
        let cases: [&[(&str, &str)]; 8] = [
            &[],
            &[("DD-API-KEY", api_key)],
            &[("DD-APPLICATION-KEY", application_key)],
            &[("DD-API-KEY", ""), ("DD-APPLICATION-KEY", application_key)],
            &[("DD-API-KEY", api_key), ("DD-API-KEY", api_key), ("DD-APPLICATION-KEY", application_key)],
            &[("DD-API-KEY", api_key), ("DD-APPLICATION-KEY", application_key), ("DD-APPLICATION-KEY", "other")],
            &[("Authorization", "Bearer nonsense")],
            &[("Authorization", "Bearer")],
        ];
        for headers in cases {
            let answer = get_with(&app, &path, headers).await;

            answer.is(401, &json!({"errors": ["Unauthorized"]}));
            assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"grantor\""));
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
    }

    async fn keys_in_the_query_are_ignored(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let (api_key, application_key) = (operator.keys.api_key.expose(), operator.keys.application_key.expose());
        let query = format!("api_key={api_key}&application_key={application_key}");

        let answer = app.get(&format!("{}?{query}", restriction_path(&client_id))).await;

        answer.is(401, &json!({"errors": ["Unauthorized"]}));
    }

    async fn unknown_key_pairs_are_forbidden(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let path = restriction_path(&client_id);
        let random = grantor::random::Random::seeded(1);
        let truncated = Secret::new(operator.keys.api_key.expose()[1..].to_owned());
        let endless = Secret::new("0".repeat(257));
        let swapped = with_keys(&operator, &operator.keys.application_key, &operator.keys.api_key);
        let strangers = [
            with_keys(&operator, &random.api_key(), &operator.keys.application_key),
            with_keys(&operator, &operator.keys.api_key, &random.application_key()),
            with_keys(&operator, &truncated, &operator.keys.application_key),
            with_keys(&operator, &endless, &operator.keys.application_key),
            swapped,
        ];
        for stranger in strangers {
            let answer = stranger.get(&path).await;

            answer.is(403, &forbidden());
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
    }

    async fn keys_of_two_organizations_are_forbidden(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbrella) = (app.operator("Acme").await, app.operator("Umbrella").await);
        let path = restriction_path(&app.registered("A client").await);

        let one = with_keys(&acme, &acme.keys.api_key, &umbrella.keys.application_key).get(&path).await;
        let other = with_keys(&acme, &umbrella.keys.api_key, &acme.keys.application_key).get(&path).await;

        one.is(403, &forbidden());
        other.is(403, &forbidden());
    }

    async fn keys_created_separately_in_one_organization_work_together(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let colleague = operator.colleague("ada@acme.example", Role::Admin).await;

        let mixed = with_keys(&operator, &operator.keys.api_key, &colleague.keys.application_key);

        mixed.get(&restriction_path(&client_id)).await.is(200, &unrestricted(&client_id));
    }

    async fn a_revoked_key_is_forbidden_immediately_on_the_server_that_revoked_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (one, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let other = app.operator("Umbrella").await;
        let path = restriction_path(&client_id);
        one.get(&path).await.is(200, &unrestricted(&client_id));
        other.get(&path).await.is(200, &unrestricted(&client_id));

        let (context, operators, by) = (app.context(), &app.app.callers, AuditActor::COMMAND_LINE);
        revoke_key::revoke_key(context, operators, one.keys.api_key_id, &by).await.expect("is revoked");
        revoke_key::revoke_key(context, operators, other.keys.application_key_id, &by).await.expect("is revoked");

        one.get(&path).await.is(403, &forbidden());
        other.get(&path).await.is(403, &forbidden());
    }

    async fn a_revoked_key_is_forbidden_on_other_replicas_within_five_seconds(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let (path, elsewhere) = (restriction_path(&client_id), operator.on(&replica));
        elsewhere.get(&path).await.is(200, &unrestricted(&client_id));
        let key = operator.keys.application_key_id;
        revoke_key::revoke_key(app.context(), &app.app.callers, key, &AuditActor::COMMAND_LINE).await.expect("is revoked");

        replica.clock.advance(Duration::from_secs(5));

        elsewhere.get(&path).await.is(403, &forbidden());
    }

    async fn a_disabled_user_is_forbidden_but_a_colleague_is_not(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let colleague = operator.colleague("ada@acme.example", Role::Admin).await;
        let path = restriction_path(&client_id);
        colleague.get(&path).await.is(200, &unrestricted(&client_id));

        let (context, operators) = (app.context(), &app.app.callers);
        disable_user::disable_user(context, operators, &colleague.email, &AuditActor::COMMAND_LINE).await.expect("is disabled");

        colleague.get(&path).await.is(403, &forbidden());
        operator.get(&path).await.is(200, &unrestricted(&client_id));
    }

    async fn a_read_only_user_can_read_but_not_write(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let path = restriction_path(&client_id);
        for (email, role) in [("reader@acme.example", Role::ReadOnly), ("builder@acme.example", Role::Standard)] {
            let colleague = operator.colleague(email, role).await;

            let read = colleague.get(&path).await;
            let written = colleague.restrict(&client_id, &[], &[]).await;
            let previewed = colleague.post(&format!("{path}?dry_run=true"), &upsert(&[], &[])).await;
            let lifted = colleague.delete(&path).await;

            read.is(200, &unrestricted(&client_id));
            written.is(403, &lacks("org_authorized_apps_write"));
            previewed.is(403, &lacks("org_authorized_apps_write"));
            lifted.is(403, &lacks("org_authorized_apps_write"));
            assert_eq!(written.header("content-type"), Some("application/vnd.api+json"));
        }
        operator.get(&path).await.is(200, &unrestricted(&client_id));
    }

    async fn keys_are_checked_before_anything_else(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let stranger = with_keys(&operator, &grantor::random::Random::seeded(1).api_key(), &operator.keys.application_key);
        let reader = operator.colleague("reader@acme.example", Role::ReadOnly).await;
        let nonsense = restriction_path("no-uuid");

        let anonymous = app.get(&nonsense).await;
        let unknown = stranger.get(&nonsense).await;
        let with_bad_body = stranger.post(&nonsense, &json!([])).await;
        let not_allowed = reader.post(&nonsense, &json!([])).await;

        anonymous.is(401, &json!({"errors": ["Unauthorized"]}));
        unknown.is(403, &forbidden());
        with_bad_body.is(403, &forbidden());
        not_allowed.is(403, &lacks("org_authorized_apps_write"));
    }
}
