//! `POST /api/v2/users` and `/api/v2/user_invitations`: people are invited, and links are created.

use std::time::Duration;

use axum::http::Method;
use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use crate::support::errors::strings;
use crate::support::people::{
    INVITATIONS, NOBODY, USERS, id_of, invite, invited, link_path, links_for,
};
use crate::support::{Bearer, TestApp, listed};

const START: &str = "2026-01-02T03:04:05Z";

fn not_found(id: &str) -> Value {
    strings(&format!("{id} not found"))
}

on_both! {
    async fn an_invited_person_is_pending(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;

        let answer = acme.post(USERS, &invited(" New@Acme.example", Some("New"), Some(Role::Standard))).await;

        let id = id_of(&answer);
        answer.is(201, &json!({"data": {
            "id": id,
            "type": "users",
            "attributes": {
                "name": "New",
                "handle": "new@acme.example",
                "email": "new@acme.example",
                "title": null,
                "created_at": START,
                "modified_at": START,
                "disabled": false,
                "service_account": false,
                "verified": false,
                "mfa_enabled": false,
                "status": "Pending",
            },
            "relationships": {
                "roles": {"data": [{"id": Role::Standard.id(), "type": "roles"}]},
                "org": {"data": {"id": acme.org_id, "type": "orgs"}},
            },
        }}));
        acme.get(&format!("{USERS}/{id}")).await.is(200, &answer.json());
        let without = acme.post(USERS, &invited("b@acme.example", None, None)).await.json();
        assert_eq!(without["data"]["relationships"]["roles"]["data"][0]["id"], Role::ReadOnly.id().to_string());
        let events = listed::audit_events(app.db(), acme.org_id, 100).await.expect("is readable");
        let event = events.iter().find(|event| event.action == "member.invited").expect("is there");
        assert_eq!(event.subject, format!("invitation:{id}"));
        assert_eq!(event.after, Some(json!({"email": "new@acme.example", "role": "standard"})));
    }

    async fn the_response_does_not_reveal_accounts_of_other_organizations(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        umbra.colleague("known@umbra.example", Role::Admin).await;

        let shape = async |email: &str| {
            let answer = acme.post(USERS, &invited(email, None, None)).await;
            assert_eq!(answer.status, 201, "{}", answer.text);
            let mut document = answer.json();
            document["data"]["id"] = Value::Null;
            document.to_string().replace(email, "EMAIL")
        };

        assert_eq!(shape("known@umbra.example").await, shape("new@umbra.example").await);
    }

    async fn members_and_invited_people_are_not_invited_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        invite(&acme, "new@acme.example", Role::ReadOnly).await;

        let again = acme.post(USERS, &invited("NEW@acme.example", None, None)).await;
        let member = acme.post(USERS, &invited("admin@acme.example", None, None)).await;

        again.is(409, &strings(
            "this person is already invited: POST /api/v2/user_invitations creates another link",
        ));
        member.is(409, &strings("this person is already a member of the organization"));
    }

    async fn bodies_that_cannot_be_used_are_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let new = |attributes: Value| json!({"data": {"type": "users", "attributes": attributes}});
        let with_roles = |roles: Value| {
            let mut body = new(json!({"email": "a@b.example"}));
            body["data"]["relationships"] = json!({"roles": {"data": roles}});
            body
        };
        let role = |role: Role| json!({"id": role.id(), "type": "roles"});
        let address = "the email address is not valid: it needs exactly one @ with text on both sides, and no spaces";
        let no_role = "there is no role with this id: GET /api/v2/roles lists them";

        for (body, text) in [
            (new(json!({})), "email is missing"),
            (new(json!({"email": 1})), "email is not a string"),
            (new(json!({"email": "ada"})), address),
            (
                new(json!({"email": "a@b.example", "name": ""})),
                "a person's name must have 1 to 100 characters and no control characters",
            ),
            (new(json!({"email": "a@b.example", "x": 1})), "an attribute is unknown: there are only email and name"),
            (with_roles(json!([role(Role::Admin), role(Role::Standard)])), "a person has one role at most"),
            (with_roles(json!([{"id": NOBODY, "type": "roles"}])), no_role),
            (with_roles(json!([{"id": "admin", "type": "roles"}])), no_role),
            (with_roles(json!("admin")), "roles.data is not a list of {\"id\": ..., \"type\": \"roles\"}"),
            (json!({"data": {"type": "user", "attributes": {}}}), "data.type is not users"),
        ] {
            acme.post(USERS, &body).await.is(400, &strings(text));
        }
    }

    async fn a_role_is_given_only_by_those_who_could_take_it_away(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = app.registered("App").await;
        let token = Bearer::of(&acme, &client, "user_access_invite", &[]).await;

        let refused = token.post(USERS, &invited("a@b.example", None, Some(Role::Admin))).await;
        let allowed = token.post(USERS, &invited("a@b.example", None, Some(Role::ReadOnly))).await;

        refused.is(403, &strings(
            "inviting a person with a role other than read_only also needs the permission user_access_manage",
        ));
        assert_eq!(allowed.status, 201, "{}", allowed.text);
    }

    async fn a_link_is_shown_once_and_a_new_one_ends_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let id = invite(&acme, "new@acme.example", Role::ReadOnly).await;
        let path = format!("{INVITATIONS}/{id}");
        let mut expected = json!({"data": {
            "id": id,
            "type": "user_invitations",
            "attributes": {"uuid": id, "created_at": START, "invite_type": "link"},
            "relationships": {"user": {"data": {"id": id, "type": "users"}}},
        }});
        acme.get(&path).await.is(200, &expected);

        let answer = acme.post(INVITATIONS, &links_for(&[&id])).await;

        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (201, Some("no-store")));
        expected["data"]["attributes"]["expires_at"] = json!("2026-01-09T03:04:05Z");
        let document = answer.json();
        assert_eq!(document["data"], json!([expected["data"]]));
        let link = document["meta"]["links"][&id].as_str().expect("a link").to_owned();
        let token = link.strip_prefix("http://127.0.0.1:8080/invitation/").expect("is on this server");
        assert_eq!(token.len(), 43);
        acme.get(&path).await.is(200, &expected);
        let second = link_path(&acme, &id).await;
        assert_ne!(second, format!("/invitation/{token}"));
        let events = listed::audit_events(app.db(), acme.org_id, 100).await.expect("is readable");
        let invited = events.iter().filter(|event| event.action == "member.invited").count();
        assert_eq!(invited, 3);
        assert!(events.iter().all(|event| !format!("{event:?}").contains(token)));
    }

    async fn links_are_created_only_for_open_invitations_of_the_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let own = invite(&acme, "new@acme.example", Role::ReadOnly).await;
        let others = invite(&umbra, "new@acme.example", Role::ReadOnly).await;

        for id in [NOBODY, &others] {
            let refused = acme.post(INVITATIONS, &links_for(&[&own, id])).await;
            refused.is(400, &strings(&format!("{id} is not invited to this organization")));
            acme.get(&format!("{INVITATIONS}/{id}")).await.is(404, &not_found(id));
        }
        let shown = acme.get(&format!("{INVITATIONS}/{own}")).await.json();
        assert_eq!(shown["data"]["attributes"].get("expires_at"), None);
        for body in [json!({"data": []}), json!({"data": {}}), json!([]), links_for(&["x"])] {
            assert_eq!(acme.post(INVITATIONS, &body).await.status, 400, "{body}");
        }
    }

    async fn an_invitation_can_be_ended(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let id = invite(&acme, "new@acme.example", Role::ReadOnly).await;
        let path = format!("{USERS}/{id}/invitations");

        let ended = acme.delete(&path).await;

        assert_eq!((ended.status.as_u16(), ended.text.as_str()), (200, ""));
        acme.delete(&path).await.is(404, &not_found(&id));
        acme.get(&format!("{INVITATIONS}/{id}")).await.is(404, &not_found(&id));
        let refused = acme.post(INVITATIONS, &links_for(&[&id])).await;
        refused.is(400, &strings(&format!("{id} is not invited to this organization")));
        let events = listed::audit_events(app.db(), acme.org_id, 100).await.expect("is readable");
        let event = events.last().expect("an event");
        assert_eq!((event.action.as_str(), event.subject.clone()), ("member.left", format!("invitation:{id}")));
        assert_eq!(event.before, Some(json!({"email": "new@acme.example", "role": "read_only"})));
    }

    async fn invitations_need_permissions(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let member = acme.colleague("ada@acme.example", Role::Standard).await;
        let id = invite(&acme, "new@acme.example", Role::ReadOnly).await;
        let lacks = |permission: &str| strings(&format!(
            "the role of this user lacks the permission {permission}: ask a member of the organization whose role has it"
        ));

        member.post(INVITATIONS, &links_for(&[&id])).await.is(403, &lacks("user_access_invite"));
        member.get(&format!("{INVITATIONS}/{id}")).await.is(403, &lacks("user_access_invite"));
        member.delete(&format!("{USERS}/{id}/invitations")).await.is(403, &lacks("user_access_manage"));
        let nobody = app.ask_with(crate::support::request(Method::POST, INVITATIONS), &links_for(&[&id])).await;
        assert_eq!(nobody.status, 401);
    }

    async fn a_person_who_is_added_otherwise_is_not_invited_anymore(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let id = invite(&acme, "ada@acme.example", Role::ReadOnly).await;
        app.clock.advance(Duration::from_secs(60));

        acme.colleague("ada@acme.example", Role::Standard).await;

        acme.get(&format!("{INVITATIONS}/{id}")).await.is(404, &not_found(&id));
        let found = acme.get(&format!("{USERS}?filter=ada")).await.json();
        assert_eq!(found["data"].as_array().expect("a list").len(), 1, "{found}");
    }
}
