//! `/api/v2/users` and `/api/v2/current_user`: the people of an organization.

use std::time::Duration;

use grantor::actions::audit::AuditActor;
use grantor::actions::users::disable_user;
use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use crate::support::errors::strings;
use crate::support::people::{NOBODY, USERS, changed, id_by_email, invite, invited};
use crate::support::{Answer, Bearer, TestApp, TestOperator, listed};

const START: &str = "2026-01-02T03:04:05Z";

fn emails(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let document = answer.json();
    let people = document["data"].as_array().expect("a list").iter();
    people.map(|one| one["attributes"]["email"].as_str().expect("text").to_owned()).collect()
}

fn status_of(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["data"]["attributes"]["status"].clone()
}

fn not_found(id: &str) -> Value {
    strings(&format!("{id} not found"))
}

async fn of(operator: &TestOperator<'_>) -> String {
    let answer = operator.get("/api/v2/current_user").await.json();
    answer["data"]["id"].as_str().expect("an id").to_owned()
}

async fn disable(admin: &TestOperator<'_>, id: &str, disabled: bool) -> Answer {
    admin.patch(&format!("{USERS}/{id}"), &changed(id, json!({"disabled": disabled}))).await
}

on_both! {
    async fn a_member_is_shown_whole(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;

        let answer = acme.get("/api/v2/current_user").await;

        assert_eq!(answer.header("content-type"), Some("application/json"));
        let id = of(&acme).await;
        answer.is(200, &json!({"data": {
            "id": id,
            "type": "users",
            "attributes": {
                "name": null,
                "handle": "admin@acme.example",
                "email": "admin@acme.example",
                "title": null,
                "created_at": START,
                "modified_at": START,
                "disabled": false,
                "service_account": false,
                "verified": true,
                "mfa_enabled": false,
                "status": "Active",
            },
            "relationships": {
                "roles": {"data": [{"id": Role::Admin.id(), "type": "roles"}]},
                "org": {"data": {"id": acme.org_id, "type": "orgs"}},
            },
        }}));
        acme.get(&format!("{USERS}/{id}")).await.is(200, &answer.json());
    }

    async fn the_list_filters_sorts_and_pages(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        app.operator("Umbra").await;
        app.clock.advance(Duration::from_secs(60));
        acme.colleague("zoe@acme.example", Role::Standard).await;
        app.clock.advance(Duration::from_secs(60));
        acme.colleague("eve@acme.example", Role::ReadOnly).await;
        let named = acme.post(USERS, &invited("new@acme.example", Some("Bob 100%"), None)).await;
        assert_eq!(named.status, 201, "{}", named.text);
        assert_eq!(acme.delete(&format!("{USERS}/{}", id_by_email(&acme, "eve@").await)).await.status, 204);
        let ask = async |query: &str| emails(&acme.get(&format!("{USERS}?{query}")).await).join(" ")
            .replace("@acme.example", "");
        let counts = |answer: &Answer| answer.json()["meta"]["page"].clone();

        assert_eq!(ask("sort=email").await, "admin eve new zoe");
        assert_eq!(ask("sort=email&sort_dir=desc").await, "zoe new eve admin");
        assert_eq!(ask("").await, "admin eve zoe new");
        assert_eq!(ask("sort=-name").await, "new zoe eve admin");
        assert_eq!(ask("sort=created_at&page[size]=2").await, "admin zoe");
        assert_eq!(ask("sort=-modified_at&page[size]=2&page[number]=1").await, "zoe admin");
        assert_eq!(ask("sort=status").await, "admin zoe eve new");
        assert_eq!(ask("sort=-status").await, "new eve zoe admin");
        assert_eq!(ask("sort=email&filter=NEW").await, "new");
        assert_eq!(ask("sort=email&filter=0%25").await, "new");
        assert_eq!(ask("sort=email&filter=_").await, "");
        assert_eq!(ask("sort=email&filter[status]=Active").await, "admin zoe");
        assert_eq!(ask("sort=email&filter[status]=Pending,Disabled").await, "eve new");
        let filtered = acme.get(&format!("{USERS}?filter=ZOE&page[size]=1")).await;
        assert_eq!(counts(&filtered), json!({"total_count": 4, "total_filtered_count": 1}));
    }

    async fn query_parameters_that_cannot_be_used_are_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let sorts = "sort must be one of these, with a leading - for descending order: name, email, status, created_at, \
                     modified_at";

        for (query, text) in [
            ("page[size]=101", "page[size] must be a whole number from 1 to 100"),
            ("sort=title", sorts),
            ("sort_dir=down", "sort_dir must be asc or desc"),
            (
                "filter[status]=active",
                "filter[status] is a comma-separated list: a status must be Active, Pending or Disabled",
            ),
        ] {
            acme.get(&format!("{USERS}?{query}")).await.is(400, &strings(text));
        }
    }

    async fn people_change_their_own_name_and_nobody_elses(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        acme.colleague("ada@acme.example", Role::Admin).await;
        let (own, other) = (of(&acme).await, id_by_email(&acme, "ada@").await);
        let rename = async |id: &str, name: Value| {
            acme.patch(&format!("{USERS}/{id}"), &changed(id, json!({"name": name}))).await
        };
        app.clock.advance(Duration::from_secs(60));

        let renamed = rename(&own, json!(" Grace ")).await;

        assert_eq!(renamed.status, 200, "{}", renamed.text);
        let attributes = renamed.json()["data"]["attributes"].clone();
        assert_eq!((&attributes["name"], &attributes["modified_at"]), (&json!("Grace"), &json!("2026-01-02T03:05:05Z")));
        rename(&own, json!("Grace")).await.is(422, &strings("nothing would change"));
        rename(&other, json!("Ada")).await.is(403, &strings("only the person can change the name of an account"));
        let text = "a person's name must have 1 to 100 characters and no control characters";
        rename(&own, json!("")).await.is(400, &strings(text));
        rename(&own, json!(1)).await.is(400, &strings("name is not a string"));
        let events = listed::audit_events(app.db(), acme.org_id, 100).await.expect("is readable");
        let changed = events.iter().find(|event| event.action == "user.changed").expect("is there");
        assert_eq!((changed.before.clone(), changed.after.clone()), (Some(json!({"name": null})), Some(json!({"name": "Grace"}))));
    }

    async fn a_membership_ends_once_with_everything_in_this_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let ada = acme.colleague("ada@acme.example", Role::Standard).await;
        let elsewhere = umbra.colleague("ada@acme.example", Role::Standard).await;
        let id = id_by_email(&acme, "ada@").await;
        let client = app.registered("App").await;
        let token = Bearer::of(&ada, &client, "user_access_read", &[]).await;
        assert_eq!(token.get(USERS).await.status, 200);

        let path = format!("{USERS}/{id}");
        assert_eq!(acme.delete(&path).await.status, 204);

        acme.delete(&path).await.is(404, &not_found(&id));
        assert_eq!(status_of(&acme.get(&path).await), "Disabled");
        assert_eq!((ada.get(USERS).await.status, token.get(USERS).await.status), (403.try_into().expect("a status"), 401.try_into().expect("a status")));
        assert_eq!(elsewhere.get("/api/v2/current_user").await.json()["data"]["id"], id.as_str());
        assert_eq!(status_of(&umbra.get(&path).await), "Active");
        let events = listed::audit_events(app.db(), acme.org_id, 100).await.expect("is readable");
        let names: Vec<&str> = events.iter().map(|event| event.action.as_str()).collect();
        assert!(names.ends_with(&["grant.revoked", "application_key.revoked", "member.left"]), "{names:?}");
    }

    async fn a_membership_is_restored_but_nothing_that_ended(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let ada = acme.colleague("ada@acme.example", Role::Standard).await;
        let id = id_by_email(&acme, "ada@").await;

        let ended = disable(&acme, &id, true).await;
        let again = disable(&acme, &id, true).await;
        let restored = disable(&acme, &id, false).await;

        assert_eq!((status_of(&ended), status_of(&restored)), (json!("Disabled"), json!("Active")));
        assert_eq!(ended.json()["data"]["attributes"]["disabled"], true);
        again.is(422, &strings("nothing would change"));
        assert_eq!(
            restored.json()["data"]["relationships"]["roles"]["data"][0]["id"],
            Role::Standard.id().to_string()
        );
        disable(&acme, &id, false).await.is(422, &strings("nothing would change"));
        assert_eq!(ada.get(USERS).await.status, 403);
        let events = listed::audit_events(app.db(), acme.org_id, 100).await.expect("is readable");
        let names: Vec<&str> = events.iter().map(|event| event.action.as_str()).collect();
        assert!(names.ends_with(&["member.left", "member.joined"]), "{names:?}");
    }

    async fn the_last_active_administrator_stays(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let id = of(&acme).await;
        let refused = strings("the organization needs an administrator");

        disable(&acme, &id, true).await.is(403, &refused);
        acme.delete(&format!("{USERS}/{id}")).await.is(403, &refused);
        assert_eq!(status_of(&acme.get(&format!("{USERS}/{id}")).await), "Active");
    }

    async fn an_account_that_the_operator_disabled_is_enabled_by_the_operator_only(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        acme.colleague("ada@acme.example", Role::Standard).await;
        let id = id_by_email(&acme, "ada@").await;
        let by = AuditActor::COMMAND_LINE;
        disable_user::disable_user(app.context(), &app.app.callers, "ada@acme.example", &by).await.expect("is disabled");

        assert_eq!(status_of(&acme.get(&format!("{USERS}/{id}")).await), "Disabled");
        let text = "the operator of this server disabled this account, and only they can enable it";
        disable(&acme, &id, false).await.is(403, &strings(text));
        assert_eq!(acme.delete(&format!("{USERS}/{id}")).await.status, 204);
    }

    async fn changes_name_their_person_and_known_attributes(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let (id, stranger) = (of(&acme).await, of(&umbra).await);
        let path = format!("{USERS}/{id}");
        let change = |attributes| changed(&id, attributes);

        let other = acme.patch(&path, &changed(NOBODY, json!({"disabled": true}))).await;
        other.is(422, &strings("UUID's in the URL and request body do not match"));
        let unnamed = json!({"data": {"type": "users", "attributes": {}}});
        acme.patch(&path, &unnamed).await.is(400, &strings("data.id is missing"));
        acme.patch(&path, &change(json!({}))).await.is(422, &strings("nothing would change"));
        let unknown = strings("an attribute is unknown: there are only name and disabled");
        acme.patch(&path, &change(json!({"email": "a@b"}))).await.is(400, &unknown);
        let text = strings("disabled is not true or false");
        acme.patch(&path, &change(json!({"disabled": "true"}))).await.is(400, &text);
        let wrong = json!({"data": {"id": id, "type": "user", "attributes": {}}});
        acme.patch(&path, &wrong).await.is(400, &strings("data.type is not users"));
        for id in [NOBODY, &stranger] {
            let path = format!("{USERS}/{id}");
            acme.get(&path).await.is(404, &not_found(id));
            acme.delete(&path).await.is(404, &not_found(id));
            disable(&acme, id, true).await.is(404, &not_found(id));
            acme.get(&format!("{path}/permissions")).await.is(404, &not_found(id));
        }
        acme.get(&format!("{USERS}/me")).await.is(404, &strings("there is nothing at this path"));
    }

    async fn an_invitation_is_a_pending_person_until_it_ends(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let id = invite(&acme, "new@acme.example", Role::ReadOnly).await;
        let path = format!("{USERS}/{id}");

        let renamed = acme.patch(&path, &changed(&id, json!({"name": "New"}))).await;
        let same = acme.patch(&path, &changed(&id, json!({"name": "New", "disabled": false}))).await;
        let ended = disable(&acme, &id, true).await;

        assert_eq!((status_of(&renamed), status_of(&ended)), (json!("Pending"), json!("Disabled")));
        assert_eq!(renamed.json()["data"]["attributes"]["name"], "New");
        same.is(422, &strings("nothing would change"));
        acme.get(&path).await.is(404, &not_found(&id));
        let second = invite(&acme, "new@acme.example", Role::ReadOnly).await;
        assert_eq!(acme.delete(&format!("{USERS}/{second}")).await.status, 204);
        acme.delete(&format!("{USERS}/{second}")).await.is(404, &not_found(&second));
    }

    async fn changing_people_needs_permissions(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let member = acme.colleague("ada@acme.example", Role::Standard).await;
        let id = of(&member).await;
        let lacks = |permission: &str| strings(&format!(
            "the role of this user lacks the permission {permission}: ask a member of the organization whose role has it"
        ));

        assert_eq!(app.get(USERS).await.status, 401);
        member.delete(&format!("{USERS}/{id}")).await.is(403, &lacks("user_access_manage"));
        disable(&member, &id, true).await.is(403, &lacks("user_access_manage"));
        member.post(USERS, &invited("a@b.example", None, None)).await.is(403, &lacks("user_access_invite"));
        let client = app.registered("App").await;
        let token = Bearer::of(&member, &client, "mcp_read", &[]).await;
        token.get(USERS).await.is(403, &strings(
            "the access token lacks the scope user_access_read: have its user authorize the client for it",
        ));
    }
}
