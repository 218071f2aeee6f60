//! `/api/v2/roles` and `/api/v2/permissions`: the three roles, what they permit, and who has them.

use axum::http::Method;
use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use crate::support::errors::strings;
use crate::support::people::{NOBODY, USERS, holder, id_by_email, invite};
use crate::support::{Answer, Bearer, TestApp, TestOperator, listed};

const ROLES: &str = "/api/v2/roles";

fn path(role: Role, rest: &str) -> String {
    format!("{ROLES}/{}{rest}", role.id())
}

fn strings_at(document: &Value, pointer: &str) -> Vec<String> {
    let list = document["data"].as_array().expect("a list").iter();
    list.map(|one| one.pointer(pointer).and_then(Value::as_str).expect("a string").to_owned())
        .collect()
}

fn emails(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    strings_at(&answer.json(), "/attributes/email")
}

async fn take(admin: &TestOperator<'_>, role: Role, id: &str) -> Answer {
    let request = admin.request(Method::DELETE, &path(role, "/users"));
    admin.app.ask_with(request, &holder(id)).await
}

on_both! {
    async fn the_three_roles_are_listed_with_the_number_of_their_users(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        acme.colleague("ada@acme.example", Role::Standard).await;
        invite(&acme, "new@acme.example", Role::Standard).await;
        app.operator("Umbra").await;

        let answer = acme.get(ROLES).await;

        assert_eq!(answer.header("content-type"), Some("application/json"));
        let document = answer.json();
        assert_eq!(strings_at(&document, "/attributes/name"), ["admin", "standard", "read_only"]);
        let counts: Vec<&Value> =
            document["data"].as_array().expect("a list").iter().map(|role| &role["attributes"]["user_count"]).collect();
        assert_eq!(counts, [1, 2, 0]);
        assert_eq!(document["meta"]["page"], json!({"total_count": 3, "total_filtered_count": 3}));
        let page = acme.get(&format!("{ROLES}?page[size]=2&page[number]=1")).await.json();
        assert_eq!(strings_at(&page, "/attributes/name"), ["read_only"]);
        let filtered = acme.get(&format!("{ROLES}?filter=STAND")).await.json();
        assert_eq!(strings_at(&filtered, "/attributes/name"), ["standard"]);
        assert_eq!(filtered["meta"]["page"]["total_filtered_count"], 1);
        let shown = acme.get(&path(Role::Standard, "")).await;
        shown.is(200, &json!({"data": document["data"][1]}));
        assert_eq!(document["data"][2], json!({
            "id": "b8812bee-6473-44a5-8e58-c1448143f188",
            "type": "roles",
            "attributes": {
                "name": "read_only",
                "created_at": "2026-01-01T00:00:00Z",
                "modified_at": "2026-01-01T00:00:00Z",
                "user_count": 0,
            },
            "relationships": {"permissions": {"data": [
                {"id": "b362eb99-97e2-4091-b21c-1973b474feab", "type": "permissions"},
                {"id": "3a0cd51d-c5a3-4c8f-bfa0-4685270e9177", "type": "permissions"},
            ]}},
        }));
    }

    async fn permissions_are_listed_in_all_and_by_role_and_by_user(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let member = acme.colleague("ada@acme.example", Role::ReadOnly).await;
        let id = id_by_email(&acme, "ada@").await;

        let all = member.get("/api/v2/permissions").await.json();

        assert_eq!(all["data"].as_array().expect("a list").len(), 12);
        assert_eq!(all["data"][10], json!({
            "id": "3a0cd51d-c5a3-4c8f-bfa0-4685270e9177",
            "type": "permissions",
            "attributes": {
                "name": "user_access_read",
                "display_name": "User Access Read",
                "description": "See users and their roles.",
                "group_name": "Access Management",
                "display_type": "read",
                "restricted": false,
                "created": "2026-01-01T00:00:00Z",
                "name_aliases": [],
            },
        }));
        acme.get(&path(Role::Admin, "/permissions")).await.is(200, &all);
        let of_role = acme.get(&path(Role::ReadOnly, "/permissions")).await;
        assert_eq!(
            strings_at(&of_role.json(), "/attributes/name"),
            ["org_authorized_apps_read", "user_access_read"]
        );
        member.get(&format!("{USERS}/{id}/permissions")).await.is(200, &of_role.json());
    }

    async fn the_users_of_a_role_are_members_and_invited_people(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        acme.colleague("ada@acme.example", Role::Standard).await;
        acme.colleague("eve@acme.example", Role::Standard).await;
        invite(&acme, "new@acme.example", Role::Standard).await;
        let eve = id_by_email(&acme, "eve@").await;
        assert_eq!(acme.delete(&format!("{USERS}/{eve}")).await.status, 204);

        let users = path(Role::Standard, "/users");
        let found = acme.get(&users).await;

        assert_eq!(emails(&found), ["ada@acme.example", "new@acme.example"]);
        assert_eq!(found.json()["meta"]["page"], json!({"total_count": 2, "total_filtered_count": 2}));
        assert_eq!(emails(&acme.get(&format!("{users}?sort=-email")).await), ["new@acme.example", "ada@acme.example"]);
        let active = acme.get(&format!("{users}?filter[status]=Active")).await;
        assert_eq!(emails(&active), ["ada@acme.example"]);
        assert_eq!(active.json()["meta"]["page"], json!({"total_count": 2, "total_filtered_count": 1}));
    }

    async fn a_role_replaces_the_previous_one(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let ada = acme.colleague("ada@acme.example", Role::ReadOnly).await;
        let id = id_by_email(&acme, "ada@").await;
        let pending = invite(&acme, "new@acme.example", Role::ReadOnly).await;

        for id in [&id, &pending] {
            let given = acme.post(&path(Role::Admin, "/users"), &holder(id)).await;
            assert_eq!(given.status, 200, "{}", given.text);
            let person = given.json()["data"][0].clone();
            assert_eq!(person["id"], **id);
            assert_eq!(
                person["relationships"]["roles"]["data"],
                json!([{"id": Role::Admin.id(), "type": "roles"}])
            );
            assert_eq!(acme.post(&path(Role::Admin, "/users"), &holder(id)).await.status, 200);
        }

        assert_eq!(ada.get("/api/v2/api_keys").await.status, 200);
        let events = listed::audit_events(app.db(), acme.org_id, 100).await.expect("is readable");
        let changed: Vec<String> = events
            .into_iter()
            .filter(|event| event.action == "member.role_changed")
            .map(|event| event.subject)
            .collect();
        assert_eq!(changed, [format!("user:{id}"), format!("invitation:{pending}")]);
    }

    async fn a_role_cannot_be_taken_away(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        acme.colleague("ada@acme.example", Role::Standard).await;
        let id = id_by_email(&acme, "ada@").await;

        let text = "every member has one role: give another one instead";
        take(&acme, Role::Standard, &id).await.is(400, &strings(text));
        take(&acme, Role::Admin, &id).await.is(404, &strings(&format!("{id} not found")));
        take(&acme, Role::Admin, NOBODY).await.is(404, &strings(&format!("{NOBODY} not found")));
    }

    async fn the_last_active_administrator_keeps_the_role(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let id = id_by_email(&acme, "admin@").await;
        // An invited administrator is not an active one.
        invite(&acme, "new@acme.example", Role::Admin).await;
        let give = async |role| acme.post(&path(role, "/users"), &holder(&id)).await;

        give(Role::Standard).await.is(403, &strings("the organization needs an administrator"));
        assert_eq!(give(Role::Admin).await.status, 200);
        acme.colleague("ada@acme.example", Role::Admin).await;
        assert_eq!(give(Role::Standard).await.status, 200);
    }

    async fn of_two_administrators_who_are_demoted_at_once_one_stays(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let ada = acme.colleague("ada@acme.example", Role::Admin).await;
        let (first, second) = (id_by_email(&acme, "admin@").await, id_by_email(&acme, "ada@").await);
        let (of_first, of_second) = (holder(&first), holder(&second));
        let users = path(Role::ReadOnly, "/users");

        let (one, other) = tokio::join!(acme.post(&users, &of_second), ada.post(&users, &of_first));

        let mut statuses = [one.status.as_u16(), other.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 403], "{} {}", one.text, other.text);
    }

    async fn roles_of_others_and_unknown_people_are_not_found(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let stranger = id_by_email(&umbra, "admin@").await;
        let not_found = |id: &str| strings(&format!("{id} not found"));

        acme.get(&format!("{ROLES}/{NOBODY}")).await.is(404, &not_found(NOBODY));
        acme.get(&format!("{ROLES}/{NOBODY}/permissions")).await.is(404, &not_found(NOBODY));
        acme.get(&format!("{ROLES}/{NOBODY}/users")).await.is(404, &not_found(NOBODY));
        acme.get(&format!("{ROLES}/admin")).await.is(404, &strings("there is nothing at this path"));
        acme.post(&path(Role::Admin, "/users"), &holder(&stranger)).await.is(404, &not_found(&stranger));
        let malformed = acme.post(&path(Role::Admin, "/users"), &holder("admin")).await;
        malformed.is(400, &strings("data.id is not a UUID"));
        let sorted = acme.get(&path(Role::Admin, "/users?sort=x")).await;
        assert_eq!(sorted.status, 400, "{}", sorted.text);
        assert_eq!(acme.get(&format!("{ROLES}?page[size]=0")).await.status, 400);
    }

    async fn roles_cannot_be_created_changed_or_deleted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let body = json!({"data": {"type": "roles", "attributes": {"name": "mine"}}});

        let role = path(Role::Admin, "");
        for answer in [
            acme.post(ROLES, &body).await,
            acme.patch(&role, &body).await,
            acme.delete(&role).await,
        ] {
            assert_eq!(answer.status, 405, "{}", answer.text);
            assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"));
        }
    }

    async fn reading_and_changing_roles_need_permissions(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let member = acme.colleague("ada@acme.example", Role::Standard).await;
        let id = id_by_email(&acme, "ada@").await;
        let client = app.registered("App").await;
        let lacks = "the role of this user lacks the permission user_access_manage: ask a member of the organization \
                     whose role has it";

        member.post(&path(Role::Admin, "/users"), &holder(&id)).await.is(403, &strings(lacks));
        take(&member, Role::Standard, &id).await.is(403, &strings(lacks));
        assert_eq!(app.get(ROLES).await.status, 401);
        let token = Bearer::of(&acme, &client, "user_access_read", &[]).await;
        assert_eq!(token.get(ROLES).await.status, 200);
        let refused = token.post(&path(Role::Admin, "/users"), &holder(&id)).await;
        refused.is(403, &strings(
            "the access token lacks the scope user_access_manage: have its user authorize the client for it",
        ));
    }
}
