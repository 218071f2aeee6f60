//! `/api/v2/org_authorized_clients`: operators list authorized clients and end their access.

use grantor::actions::audit::AuditActor;
use grantor::actions::clients::disable_client::disable_client;
use grantor::actions::grants::revoke_grant::revoke_grant;
use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use crate::support::errors::json_api;
use crate::support::{Answer, Bearer, TestApp, TestOperator, listed};

const PATH: &str = "/api/v2/org_authorized_clients";
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";
const START: &str = "2026-01-02T03:04:05Z";

fn one(bearer: &Bearer<'_>) -> String {
    format!("{PATH}/{}", bearer.authorized_id)
}

/// The response for the client with these active authorizations.
fn resource(of: &[&Bearer<'_>], disabled: bool, last_exercised: Value) -> Value {
    let first = of[0];
    let id = first.authorized_id;
    let live: Vec<&&Bearer<'_>> = of.iter().filter(|_| !disabled).collect();
    let related: Vec<Value> = live
        .iter()
        .map(|bearer| json!({"id": bearer.grant_id, "type": "user_authorized_clients"}))
        .collect();
    json!({
        "id": id,
        "type": "org_authorized_clients",
        "attributes": {"disabled": disabled, "last_exercised": last_exercised, "user_count": live.len()},
        "relationships": {
            "oauth2_client": {"data": {"id": first.client_id, "type": "oauth2_clients"}},
            "user_authorized_clients": {
                "data": related,
                "links": {"related": format!("{PATH}/{id}/user_authorized_clients")},
            },
        },
    })
}

fn of_user(bearer: &Bearer<'_>, scopes: &[&str], disabled: bool, org_disabled: bool) -> Value {
    let scopes: Vec<Value> =
        scopes.iter().map(|name| json!({"id": name, "type": "scopes"})).collect();
    json!({
        "id": bearer.grant_id,
        "type": "user_authorized_clients",
        "attributes": {
            "created_at": START,
            "modified_at": START,
            "last_exercised": null,
            "disabled": disabled,
            "org_disabled": org_disabled,
        },
        "relationships": {
            "oauth2_client": {"data": {"id": bearer.client_id, "type": "oauth2_clients"}},
            "scopes": {"data": scopes},
            "user": {"data": {"id": bearer.user_id, "type": "users"}},
        },
    })
}

fn user(bearer: &Bearer<'_>, email: &str) -> Value {
    let attributes = json!({"name": null, "email": email, "disabled": false});
    json!({"id": bearer.user_id, "type": "users", "attributes": attributes})
}

fn client(bearer: &Bearer<'_>, name: &str) -> Value {
    json!({
        "id": bearer.client_id,
        "type": "oauth2_clients",
        "attributes": {"name": name, "redirect_uris": ["https://example.com/callback"]},
        "relationships": {"scopes": {"data": []}},
    })
}

fn page(data: Value, total: u64, filtered: u64) -> Value {
    json!({"data": data, "meta": {"page": {"total_count": total, "total_filtered_count": filtered}}})
}

fn not_found(answer: &Answer, detail: &str) {
    answer.is(404, &json_api(404, "Not Found", detail));
    assert_eq!(answer.header("content-type"), Some("application/vnd.api+json"));
}

fn names_no_client(answer: &Answer) {
    not_found(answer, "this organization has no authorized client with this id");
}

fn names_no_authorization(answer: &Answer) {
    not_found(answer, "this client has no such authorization");
}

fn ids(answer: &Answer) -> Vec<String> {
    let data = answer.json();
    let data = data["data"].as_array().unwrap_or_else(|| panic!("{}", answer.text)).clone();
    data.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

async fn given<'a>(person: &TestOperator<'a>, client_name: &str, scopes: &str) -> Bearer<'a> {
    Bearer::of(person, &person.app.registered(client_name).await, scopes, &[]).await
}

on_both! {
    async fn only_authorized_clients_are_listed(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let colleague = operator.colleague("ada@acme.example", Role::Standard).await;
        operator.restrict(&app.registered("Only restricted").await, &[], &[]).await;
        operator.get(PATH).await.is(200, &page(json!([]), 0, 0));
        let first = given(&operator, "App", "openid").await;
        let second = given(&colleague, "App", "mcp_read").await;

        let listed = operator.get(PATH).await;

        let both = resource(&[&first, &second], false, Value::Null);
        listed.is(200, &page(json!([both]), 1, 1));
        assert_eq!(listed.header("content-type"), Some("application/vnd.api+json"));
        operator.get(&one(&first)).await.is(200, &json!({"data": both}));
    }

    async fn pages_are_numbered_from_0_and_the_last_one_is_short(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let mut expected = Vec::new();
        for name in ["Beta", "alpha", "Gamma"] {
            expected.push(given(&operator, name, "openid").await.authorized_id.to_string());
        }
        let [beta, alpha, gamma] = <[String; 3]>::try_from(expected).expect("three");
        let ask = async |query: &str| operator.get(&format!("{PATH}?{query}")).await;

        assert_eq!(ids(&ask("page[size]=2&sort=oauth2_client.name").await), [alpha.clone(), beta.clone()]);
        assert_eq!(ids(&ask("page[size]=2&page[number]=1&sort=oauth2_client.name").await), [gamma.as_str()]);
        assert_eq!(ids(&ask("page%5Bsize%5D=2&page%5Bnumber%5D=0&sort=-oauth2_client.name").await), [gamma, beta]);
        ask("page[size]=2&page[number]=9").await.is(200, &page(json!([]), 3, 3));
    }

    async fn filters_are_combined_and_both_counts_are_returned(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let (reader, writer) = (given(&operator, "A Reader", "openid").await, given(&operator, "A 100% writer", "openid").await);
        disable_client(app.context(), operator.org_id, writer.client_id, None, &AuditActor::COMMAND_LINE).await.expect("is disabled");
        let cases = [
            ("filter=read", vec![&reader]),
            ("filter[oauth2_client][name]=WRITER", vec![&writer]),
            ("filter=a&filter[oauth2_client][name]=reader", vec![&reader]),
            ("filter=writer&filter[oauth2_client][name]=reader", vec![]),
            ("filter=%25", vec![&writer]),
            ("filter[disabled]=true", vec![&writer]),
            ("filter[disabled]=false", vec![&reader]),
            ("filter[disabled]=true&filter=reader", vec![]),
        ];
        for (query, expected) in cases {
            let answer = operator.get(&format!("{PATH}?{query}")).await;

            let expected: Vec<String> = expected.iter().map(|bearer| bearer.authorized_id.to_string()).collect();
            assert_eq!(ids(&answer), expected, "{query}");
            let counts = json!({"total_count": 2, "total_filtered_count": expected.len()});
            assert_eq!(answer.json()["meta"]["page"], counts, "{query}");
        }
    }

    async fn an_invalid_query_is_refused_with_the_name_of_the_parameter(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let bearer = given(&operator, "App", "openid").await;
        let (one, users) = (one(&bearer), format!("{}/user_authorized_clients", one(&bearer)));
        let cases = [
            (PATH, "page[size]=0", "page[size]"),
            (PATH, "page[size]=101", "page[size]"),
            (PATH, "page[number]=-1", "page[number]"),
            (PATH, "sort=id", "sort"),
            (PATH, "filter[disabled]=1", "filter[disabled]"),
            (PATH, "include=oauth2_client.scopes", "include"),
            (PATH, "include=", ""),
            (one.as_str(), "include=user", "include"),
            (one.as_str(), "filter[user_authorized_clients][disabled]=no", "filter[user_authorized_clients][disabled]"),
            (users.as_str(), "sort=name", "sort"),
            (users.as_str(), "filter[user][disabled]=x", "filter[user][disabled]"),
            (users.as_str(), "page[size]=x", "page[size]"),
        ];
        for (path, query, parameter) in cases {
            let answer = operator.get(&format!("{path}?{query}")).await;

            if parameter.is_empty() {
                assert_eq!(answer.status, 200, "{query}");
                continue;
            }
            assert_eq!(answer.status, 400, "{query}: {}", answer.text);
            let error = &answer.json()["errors"][0];
            assert_eq!((&error["status"], &error["source"]), (&json!("400"), &json!({"parameter": parameter})), "{query}");
        }
    }

    async fn a_list_includes_each_client_and_user_once_on_request(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let colleague = operator.colleague("ada@acme.example", Role::Standard).await;
        let app_of_operator = given(&operator, "App", "openid").await;
        let app_of_colleague = given(&colleague, "App", "openid").await;
        let other = given(&operator, "Other", "mcp_read").await;

        let plain = operator.get(PATH).await;
        let clients = operator.get(&format!("{PATH}?include=oauth2_client,oauth2_client.app")).await;
        let users = operator.get(&format!("{PATH}?include=user_authorized_clients.user")).await;

        assert_eq!(plain.json().get("included"), None);
        assert_eq!(clients.json()["included"], json!([client(&app_of_operator, "App"), client(&other, "Other")]));
        let mut included = users.json()["included"].as_array().expect("a list").clone();
        let mut expected = vec![
            of_user(&app_of_operator, &["openid"], false, false),
            user(&app_of_operator, "admin@acme.example"),
            of_user(&app_of_colleague, &["openid"], false, false),
            user(&app_of_colleague, "ada@acme.example"),
            of_user(&other, &["mcp_read"], false, false),
        ];
        included.sort_by_key(|item| item["id"].to_string());
        expected.sort_by_key(|item| item["id"].to_string());
        assert_eq!(included, expected);
    }

    async fn a_client_includes_its_registered_scopes(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let metadata = json!({
            "client_name": "App", "redirect_uris": ["https://example.com/callback"], "scope": "openid mcp_read",
        });
        let registered = app.post("/api/v2/oauth2/register", &metadata).await.json();
        let bearer = Bearer::of(&operator, registered["client_id"].as_str().expect("an id"), "openid", &[]).await;

        let shown = operator.get(&format!("{}?include=oauth2_client.scopes", one(&bearer))).await;

        let mut with_scopes = client(&bearer, "App");
        let identifier = |name| json!({"id": name, "type": "scopes"});
        with_scopes["relationships"]["scopes"]["data"] = json!([identifier("mcp_read"), identifier("openid")]);
        let scope = |name, description| {
            json!({"id": name, "type": "scopes", "attributes": {"name": name, "description": description}})
        };
        let expected = json!([
            with_scopes,
            scope("mcp_read", "Read your data through the MCP server"),
            scope("openid", "Confirm who you are"),
        ]);
        shown.is(200, &json!({"data": resource(&[&bearer], false, Value::Null), "included": expected}));
    }

    async fn a_client_includes_ended_authorizations_on_request(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let colleague = operator.colleague("ada@acme.example", Role::Standard).await;
        let (kept, ended) = (given(&operator, "App", "openid").await, given(&colleague, "App", "openid").await);
        revoke_grant(app.context(), ended.grant_id, |_| true, &AuditActor::COMMAND_LINE).await.expect("ends");
        let filter = "filter[user_authorized_clients][disabled]";
        let ask = async |query: &str| {
            let answer = operator.get(&format!("{}?include=user_authorized_clients.user&{query}", one(&kept))).await.json();
            let related = answer["data"]["relationships"]["user_authorized_clients"]["data"].clone();
            (answer["data"]["attributes"]["user_count"].clone(), related[0]["id"].clone(), answer["included"].clone())
        };
        let page_of = |bearer: &Bearer<'_>, email, ended| {
            (json!(1), json!(bearer.grant_id), json!([of_user(bearer, &["openid"], ended, false), user(bearer, email)]))
        };

        assert_eq!(ask("").await, page_of(&kept, "admin@acme.example", false));
        assert_eq!(ask(&format!("{filter}=false")).await, page_of(&kept, "admin@acme.example", false));
        assert_eq!(ask(&format!("{filter}=true")).await, page_of(&ended, "ada@acme.example", true));
        assert_eq!(ask("filter[user_authorized_clients][user][disabled]=true").await.2, json!([]));
    }

    async fn the_last_use_is_returned_once_there_was_one(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let bearer = given(&operator, "App", "org_authorized_apps_read").await;
        assert_eq!(bearer.get(&one(&bearer)).await.json()["data"]["attributes"]["last_exercised"], Value::Null);

        app.app.issuer.uses.write(app.db()).await.expect("is written");

        let expected = resource(&[&bearer], false, json!("2026-01-02T03:04:00Z"));
        operator.get(&one(&bearer)).await.is(200, &json!({"data": expected}));
    }

    async fn deleting_a_client_disables_it_ends_its_access_and_can_be_repeated(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, other) = (app.operator("Acme").await, app.operator("Umbra").await);
        let colleague = operator.colleague("ada@acme.example", Role::Standard).await;
        let (first, second) = (given(&operator, "App", "openid").await, given(&colleague, "App", "openid").await);
        let elsewhere = given(&other, "App", "openid").await;

        let deleted = operator.delete(&one(&first)).await;
        let again = operator.delete(&one(&first)).await;

        assert_eq!((deleted.status.as_u16(), deleted.text.as_str(), again.status.as_u16()), (204, "", 204));
        assert!(!first.lives().await && !second.lives().await && elsewhere.lives().await);
        operator.get(&one(&first)).await.is(200, &json!({"data": resource(&[&first], true, Value::Null)}));
        let events = listed::audit_events(app.db(), operator.org_id, 100).await.expect("is readable");
        let disabled: Vec<_> = events.iter().filter(|event| event.action == "client.disabled").collect();
        assert_eq!(disabled.len(), 1);
        assert_eq!(disabled[0].after, Some(json!({"disabled": true, "grants_ended": 2})));
        assert!(disabled[0].actor.contains("application_key:"), "{}", disabled[0].actor);
    }

    async fn invalid_and_unknown_ids_are_not_found(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, other) = (app.operator("Acme").await, app.operator("Umbra").await);
        let (ours, theirs) = (given(&operator, "App", "openid").await, given(&other, "App", "openid").await);
        let ours_path = one(&ours);
        for id in [NOBODY.to_owned(), "x".to_owned(), ours.client_id.to_string(), theirs.authorized_id.to_string()] {
            let path = format!("{PATH}/{id}");

            names_no_client(&operator.get(&path).await);
            names_no_client(&operator.delete(&path).await);
            names_no_client(&operator.get(&format!("{path}/user_authorized_clients")).await);
            names_no_client(&operator.delete(&format!("{path}/user_authorized_clients/{}", ours.grant_id)).await);
            names_no_client(&operator.delete(&format!("{path}/user/{}", ours.user_id)).await);
        }
        for id in [NOBODY.to_owned(), "x".to_owned(), theirs.grant_id.to_string()] {
            names_no_authorization(&operator.delete(&format!("{ours_path}/user_authorized_clients/{id}")).await);
        }
        for id in [NOBODY.to_owned(), "x".to_owned(), theirs.user_id.to_string()] {
            names_no_authorization(&operator.delete(&format!("{ours_path}/user/{id}")).await);
        }
        assert!(ours.lives().await && theirs.lives().await);
    }

    async fn an_authorization_can_be_ended_by_its_id_or_its_user(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let colleague = operator.colleague("ada@acme.example", Role::Standard).await;
        let (first, second) = (given(&operator, "App", "openid").await, given(&colleague, "App", "openid").await);
        let other_client = given(&operator, "Other", "openid").await;
        let path = one(&first);
        names_no_authorization(&operator.delete(&format!("{path}/user_authorized_clients/{}", other_client.grant_id)).await);

        for _ in 0..2 {
            let ended = operator.delete(&format!("{path}/user_authorized_clients/{}", first.grant_id)).await;
            assert_eq!((ended.status.as_u16(), ended.text.as_str()), (204, ""));
        }
        assert!(!first.lives().await && second.lives().await && other_client.lives().await);
        for _ in 0..2 {
            assert_eq!(operator.delete(&format!("{path}/user/{}", second.user_id)).await.status, 204);
        }
        assert!(!second.lives().await && other_client.lives().await);
        assert_eq!(operator.get(&path).await.json()["data"]["attributes"], json!({
            "disabled": false, "last_exercised": null, "user_count": 0,
        }));
    }

    async fn users_of_a_client_can_be_filtered_sorted_and_paged(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let colleague = operator.colleague("zoe@acme.example", Role::Standard).await;
        let (first, second) = (given(&operator, "App", "openid").await, given(&colleague, "App", "mcp_read openid").await);
        given(&operator, "Other", "openid").await;
        revoke_grant(app.context(), first.grant_id, |_| true, &AuditActor::COMMAND_LINE).await.expect("ends");
        let path = format!("{}/user_authorized_clients", one(&first));
        let ask = async |query: &str| operator.get(&format!("{path}?{query}")).await;

        let all = operator.get(&path).await;

        let (ended, lives) = (of_user(&first, &["openid"], true, false), of_user(&second, &["mcp_read", "openid"], false, false));
        all.is(200, &page(json!([ended, lives]), 2, 2));
        ask("filter[disabled]=true").await.is(200, &page(json!([ended]), 2, 1));
        ask("filter[disabled]=false").await.is(200, &page(json!([lives]), 2, 1));
        ask("filter[user][email]=ZOE").await.is(200, &page(json!([lives]), 2, 1));
        ask("filter[user][name]=nobody").await.is(200, &page(json!([]), 2, 0));
        ask("filter[user][disabled]=true").await.is(200, &page(json!([]), 2, 0));
        ask("sort=-user.email").await.is(200, &page(json!([lives, ended]), 2, 2));
        ask("sort=user.name&page[size]=1&page[number]=1").await.is(200, &page(json!([lives]), 2, 2));
    }

    async fn a_read_only_user_can_list_but_not_end_authorizations(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let reader = operator.colleague("reader@acme.example", Role::ReadOnly).await;
        let bearer = given(&operator, "App", "openid").await;
        let path = one(&bearer);

        assert_eq!((reader.get(PATH).await.status.as_u16(), reader.get(&path).await.status.as_u16()), (200, 200));
        for path in [
            path.clone(),
            format!("{path}/user_authorized_clients/{}", bearer.grant_id),
            format!("{path}/user/{}", bearer.user_id),
        ] {
            let refused = reader.delete(&path).await;
            assert_eq!(refused.status, 403);
            assert_eq!(refused.json()["errors"][0]["title"], "Forbidden");
        }
        assert!(bearer.lives().await);
    }
}
