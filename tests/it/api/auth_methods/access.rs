//! Permissions, limits and the audit trail of auth methods.

use super::*;

on_both! {
    async fn methods_of_other_organizations_and_unknown_ones_are_not_found(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let theirs = created(&umbra, "A method").await;
        for id in [theirs.as_str(), NOBODY, "nonsense", &theirs.replace('-', ""), &format!("{{{theirs}}}")] {
            let path = path(id).replace(['{', '}'], "%7B");
            refuses(&acme.get(&path).await, 404, &no_such_method());
            refuses(&acme.patch(&path, &request(json!({"name": "mine"}))).await, 404, &no_such_method());
            refuses(&acme.delete(&path).await, 404, &no_such_method());
        }
        umbra.get(&path(&theirs)).await.is(200, &json!({"data": resource(&theirs, &whole("A method"))}));
        acme.get(LIST).await.is(200, &json!({"data": []}));
    }

    async fn every_request_requires_the_manage_integrations_permission(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let id = created(&operator, "A method").await;
        let reader = operator.colleague("reader@acme.example", Role::ReadOnly).await;
        let lacks = strings(
            "the role of this user lacks the permission manage_integrations: ask a member of the \
             organization whose role has it",
        );
        for answer in [
            reader.get(LIST).await,
            reader.get(&path(&id)).await,
            reader.get(&path("nonsense")).await,
            reader.post(CREDENTIALS, &json!("nonsense")).await,
            reader.patch(&path(&id), &json!("nonsense")).await,
            reader.delete(&path(&id)).await,
        ] {
            refuses(&answer, 403, &lacks);
        }
        for anonymous in [app.get(LIST).await, app.get(&path(&id)).await, app.post(CREDENTIALS, &json!({})).await] {
            refuses(&anonymous, 401, &strings("Unauthorized"));
        }
        operator.get(&path(&id)).await.is(200, &json!({"data": resource(&id, &whole("A method"))}));
    }

    async fn unknown_keys_are_forbidden(engine: Engine) {
        let app = TestApp::start(engine).await;
        let request = crate::support::request(Method::GET, LIST)
            .header("DD-API-KEY", "0".repeat(32))
            .header("DD-APPLICATION-KEY", "0".repeat(40));

        refuses(&app.ask(request).await, 403, &strings("Forbidden"));
    }

    async fn a_token_needs_the_scope_for_every_operation(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let console = app.registered("A console").await;
        let bearer = Bearer::of(&operator, &console, "manage_integrations", &[]).await;
        let without = Bearer::of(&operator, &app.registered("Another").await, "org_authorized_apps_write", &[]).await;

        let made = bearer.post(CREDENTIALS, &request(whole("A method"))).await;
        let id = made.json()["data"]["id"].as_str().expect("an id").to_owned();
        made.is(201, &json!({"data": resource(&id, &whole("A method"))}));
        bearer.get(&path(&id)).await.is(200, &json!({"data": resource(&id, &whole("A method"))}));
        bearer.get(LIST).await.is(200, &json!({"data": [listed(&id)]}));
        let renamed = bearer.patch(&path(&id), &request(json!({"name": "Another"}))).await;
        renamed.is(200, &json!({"data": resource(&id, &whole("Another"))}));
        let lacks = strings(
            "the access token lacks the scope manage_integrations: have its user authorize the client for it",
        );
        for answer in [
            without.get(LIST).await,
            without.get(&path(&id)).await,
            without.post(CREDENTIALS, &request(whole("b"))).await,
            without.patch(&path(&id), &request(json!({}))).await,
            without.delete(&path(&id)).await,
        ] {
            refuses(&answer, 403, &lacks);
        }
        assert_eq!(bearer.delete(&path(&id)).await.status, 204);
        let actor = format!("user:{} family:{}", bearer.user_id, bearer.family_id);
        assert!(events(&operator).await.iter().all(|event| event.actor == actor));
    }

    async fn too_many_requests_are_refused_with_retry_after(engine: Engine) {
        let app = TestApp::with(engine, &[("limits.operator_per_minute", "1")]).await;
        let operator = app.operator("Acme").await;
        let mut answer = operator.get(LIST).await;
        for _ in 0..20 {
            answer = operator.post(CREDENTIALS, &request(whole("A method"))).await;
        }

        refuses(&answer, 429, &strings("Too many requests"));
        assert!(answer.header("x-ratelimit-reset").is_some());
    }

    async fn every_change_is_audited_without_the_secret(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let id = created(&operator, "A method").await;
        let change = async |attributes| assert_eq!(operator.patch(&path(&id), &request(attributes)).await.status, 200);
        change(json!({"audience": null, "name": "A method"})).await;
        change(json!({"client_secret": "another-5ecret"})).await;
        change(json!({})).await;
        assert_eq!(operator.delete(&path(&id)).await.status, 204);

        let events = events(&operator).await;

        let mut shown = whole("A method");
        shown.as_object_mut().expect("an object").remove("client_secret");
        let mut without_audience = shown.clone();
        without_audience["audience"] = Value::Null;
        let recorded: Vec<_> = events.iter().map(|event| (event.action.as_str(), event.before.clone(), event.after.clone())).collect();
        assert_eq!(recorded, [
            ("auth_method.created", None, Some(shown.clone())),
            ("auth_method.changed", Some(json!({"audience": "https://api.example"})), Some(json!({"audience": null}))),
            ("auth_method.changed", Some(json!({})), Some(json!({"client_secret": "changed"}))),
            ("auth_method.deleted", Some(without_audience), None),
        ]);
        assert!(events.iter().all(|event| event.subject == format!("auth_method:{id}")));
        assert!(!format!("{events:?}").contains("5ecret"));
    }
}
