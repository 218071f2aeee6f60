//! `/api/v2/audit/events`: the audit trail of an organization.

use std::time::Duration;

use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use crate::support::errors::strings;
use crate::support::private_client::{OWN_CLIENTS, body};
use crate::support::publishing::{PublishedClient, complete, make_partner, reviewer};
use crate::support::{Answer, Bearer, TestApp};

const PATH: &str = "/api/v2/audit/events";
const SEARCH: &str = "/api/v2/audit/events/search";

fn names(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let document = answer.json();
    let events = document["data"].as_array().expect("a list").iter();
    let name = |event: &Value| {
        event["attributes"]["attributes"]["evt"]["name"].as_str().map(str::to_owned)
    };
    events.map(|event| name(event).expect("a name")).collect()
}

on_both! {
    async fn an_event_has_the_published_shape(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let created = acme.post(OWN_CLIENTS, &body(json!({"name": "Pager", "redirect_uris": ["https://pager.example/cb"]}))).await;
        let client_id = created.json()["data"]["id"].clone();

        let answer = acme.get(&format!("{PATH}?page[limit]=1")).await;

        assert_eq!(answer.header("content-type"), Some("application/json"));
        let event = answer.json()["data"][0].clone();
        let details = &event["attributes"]["attributes"];
        assert_eq!(event, json!({
            "id": event["id"],
            "type": "audit",
            "attributes": {
                "message": "An organization created a client of its own.",
                "service": "grantor",
                "tags": ["action:client.created"],
                "timestamp": "2026-01-02T03:04:05Z",
                "attributes": {
                    "evt": {"name": "client.created"},
                    "usr": {"id": details["usr"]["id"], "email": acme.email},
                    "actor": details["actor"],
                    "asset": {"type": "client", "id": client_id},
                    "after": details["after"],
                    "network": details["network"],
                    "http": {"request_id": details["http"]["request_id"]},
                    "org": {"uuid": acme.org_id},
                },
            },
        }));
        assert!(details["network"]["client"]["ip"].is_string(), "{event}");
        assert_eq!(details["after"]["name"], "Pager");
    }

    async fn pages_neither_skip_nor_repeat_events(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        for number in 0..7 {
            acme.post("/api/v2/api_keys", &json!({"data": {"type": "api_keys", "attributes": {"name": format!("key {number}")}}})).await;
        }
        let all = names(&acme.get(&format!("{PATH}?page[limit]=1000&sort=timestamp")).await);
        for sort in ["timestamp", "-timestamp"] {
            let mut seen = Vec::new();
            let mut path = format!("{PATH}?page[limit]=3&sort={sort}");
            loop {
                let page = acme.get(&path).await;
                seen.extend(page.json()["data"].as_array().expect("a list").iter().map(|event| event["id"].clone()));
                let document = page.json();
                let Some(next) = document["links"]["next"].as_str() else {
                    assert_eq!(document.get("meta"), None, "the last page has neither");
                    break;
                };
                assert!(document["meta"]["page"]["after"].is_string());
                path = next.strip_prefix(app.app.config.http.public_url.as_str()).expect("this server").to_owned();
            }
            assert_eq!(seen.len(), all.len(), "{sort}");
            seen.dedup();
            assert_eq!(seen.len(), all.len(), "{sort}");
        }
    }

    async fn a_search_matches_every_term(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let dev = acme.colleague("dev@acme.example", Role::Standard).await;
        let created = dev.post(OWN_CLIENTS, &body(json!({"name": "Pager", "redirect_uris": ["https://pager.example/cb"]}))).await;
        let client_id = created.json()["data"]["id"].as_str().expect("an id").to_owned();
        acme.delete(&format!("{OWN_CLIENTS}/{client_id}")).await;
        let found = async |query: &str| {
            let body = json!({"filter": {"query": query}, "sort": "timestamp", "page": {"limit": 100}});
            names(&acme.post(SEARCH, &body).await)
        };
        let by_dev = acme.get(&format!("{PATH}?filter[query]=@evt.name:client.created")).await.json();
        let dev_id = by_dev["data"][0]["attributes"]["attributes"]["usr"]["id"].as_str().expect("an id").to_owned();

        assert_eq!(found("@evt.name:client.*").await, ["client.created", "client.deleted"]);
        assert_eq!(found(&format!("@asset.id:{client_id}")).await, ["client.created", "client.deleted"]);
        assert_eq!(found(&format!("@asset.id:{} deleted", &client_id[..12])).await, Vec::<String>::new());
        assert_eq!(found(&format!("@asset.id:{}* deleted", &client_id[..18])).await, ["client.deleted"]);
        assert_eq!(found(&format!("@usr.id:{dev_id}")).await, ["client.created"]);
        assert_eq!(found(&format!("@usr.id:{dev_id} @asset.type:client")).await, ["client.created"]);
        assert_eq!(found("@asset.type:org").await, ["org.created"]);
        assert_eq!(found("@asset.type:%").await, Vec::<String>::new());
        assert_eq!(found("@usr.id:_*").await, Vec::<String>::new());
    }

    async fn times_limit_a_search(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        app.clock.advance(Duration::from_secs(3_600));
        acme.post("/api/v2/api_keys", &json!({"data": {"type": "api_keys", "attributes": {"name": "late"}}})).await;

        let late = names(&acme.get(&format!("{PATH}?filter[from]=now-15m")).await);
        let early = names(&acme.get(&format!("{PATH}?filter[to]=2026-01-02T03:30:00Z&sort=timestamp")).await);

        assert_eq!(late, ["api_key.created"]);
        assert_eq!(early.first().map(String::as_str), Some("org.created"));
        assert_eq!(early.iter().filter(|name| *name == "api_key.created").count(), 1, "{early:?}");
    }

    async fn wrong_searches_are_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        for (query, detail) in [
            ("filter[query]=@usr.email:a", "@usr.email is not a facet: use @evt.name, @usr.id, @asset.id or @asset.type"),
            ("filter[from]=yesterday", "filter[from] must be a time such as 2026-11-30T08:00:00Z or now-15m"),
            ("sort=name", "sort must be timestamp or -timestamp"),
            ("page[limit]=1001", "page[limit] must be a whole number from 1 to 1000"),
            ("page[limit]=x", "page[limit] must be a whole number from 1 to 1000"),
            ("page[cursor]=x", "page[cursor] is not one that this server returned in meta.page.after"),
        ] {
            acme.get(&format!("{PATH}?{query}")).await.is(400, &strings(detail));
        }
        assert_eq!(acme.post(SEARCH, &json!({"filter": []})).await.status, 400);
        assert_eq!(names(&acme.post(SEARCH, &json!({})).await).len(), 4);
    }

    async fn only_the_own_trail_is_visible_and_only_with_the_permission(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let reader = acme.colleague("reader@acme.example", Role::ReadOnly).await;
        assert_eq!(reader.get(PATH).await.status, 403);
        let bearer = Bearer::of(&acme, &app.registered("App").await, "openid audit_logs_read", &[]).await;
        assert_eq!(bearer.get(PATH).await.status, 200);
        let own = umbra.get(&format!("{PATH}?page[limit]=1000")).await.json();
        let orgs: Vec<&Value> = own["data"].as_array().expect("a list").iter().map(|event| &event["attributes"]["attributes"]["org"]["uuid"]).collect();
        assert!(!orgs.is_empty() && orgs.iter().all(|org| **org == json!(umbra.org_id)), "{orgs:?}");
    }

    async fn a_reviewer_is_in_the_trail_of_the_owner_without_their_address(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let judge = reviewer(&app, "Server").await;
        make_partner(&acme, "").await;
        PublishedClient::of(&acme, &judge, complete()).await;

        let events = acme.get(&format!("{PATH}?filter[query]=@evt.name:client.published")).await;

        let usr = events.json()["data"][0]["attributes"]["attributes"]["usr"].clone();
        assert!(usr["id"].is_string() && usr.get("email").is_none(), "{usr}");
        assert!(!events.text.contains(&judge.email), "{}", events.text);
    }
}
