//! Submitting, reviewing and publishing clients: `/api/v2/oauth2_clients/{client_id}/submit`,
//! `/api/v2/oauth2_client_reviews` and `/api/v2/published_oauth2_clients`.

use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use crate::support::errors::{json_api, json_api_at};
use crate::support::private_client::{OWN_CLIENTS, PrivateClient, REDIRECT};
use crate::support::publishing::{
    PUBLISHED, PublishedClient, REVIEWS, approve, complete, decision, draft, first_version,
    make_partner, reviewer, submission, submit,
};
use crate::support::{Answer, Bearer, TestApp, TestOperator, listed};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";
const START: &str = "2026-01-02T03:04:05Z";
const NOT_A_REVIEWER: &str =
    "only a reviewer of this server may do this: its operator names them with grantor reviewer add";
const UNKNOWN: &str = "invalid_request - Invalid client_id parameter value.";

fn conflict(answer: &Answer, detail: &str) {
    answer.is(409, &json_api(409, "Conflict", detail));
}

fn forbidden(answer: &Answer, detail: &str) {
    answer.is(403, &json_api(403, "Forbidden", detail));
}

fn change(id: &str, attributes: Value) -> Value {
    json!({"data": {"id": id, "type": "oauth2_clients", "attributes": attributes}})
}

async fn actions(operator: &TestOperator<'_>) -> Vec<String> {
    let events = listed::audit_events(operator.app.db(), operator.org_id, 200).await;
    let events = events.expect("is readable").into_iter().map(|event| event.action);
    events.filter(|name| name.starts_with("client.") || name.starts_with("partner.")).collect()
}

async fn token(
    published: &PrivateClient<'_>,
    person: &mut crate::support::flow::Person<'_>,
) -> Answer {
    let url = published.flow.url(&[("code_challenge", ""), ("code_challenge_method", "")]);
    let allowed = person.approves(&url).await;
    published.exchange(&published.flow.code(&allowed)).await
}

on_both! {
    async fn the_first_submission_returns_a_second_id_and_its_secret_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        make_partner(&acme, "").await;
        let id = draft(&acme, complete()).await;

        let note = submission(json!({"note": "First version", "revision": 1}));
        let answer = acme.post(&format!("{OWN_CLIENTS}/{id}/submit"), &note).await;

        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (201, Some("no-store")));
        let document = answer.json();
        let (version, published) = (document["data"]["id"].clone(), document["data"]["attributes"]["client_id"].clone());
        let mut expected = json!({"data": {
            "id": version,
            "type": "oauth2_client_versions",
            "attributes": {
                "number": 1,
                "state": "submitted",
                "name": "Pager",
                "description": "On-call alerts",
                "onboarding_url": "https://pager.example/start",
                "redirect_uris": [REDIRECT],
                "scopes": ["mcp_read", "openid"],
                "note": "First version",
                "scope_reasons": {},
                "submitted_at": START,
                "decided_at": null,
                "decision_note": null,
                "client_id": published,
                "client_secret": document["data"]["attributes"]["client_secret"],
            },
            "relationships": {
                "org": {"data": {"id": acme.org_id, "type": "orgs"}},
                "private_client": {"data": {"id": id, "type": "oauth2_clients"}},
                "submitted_by": document["data"]["relationships"]["submitted_by"],
            },
        }});
        assert_eq!(document, expected);
        assert_ne!(published, json!(id));
        expected["data"]["attributes"].as_object_mut().expect("an object").remove("client_secret");
        let version = version.as_str().expect("an id");
        acme.get(&format!("{OWN_CLIENTS}/{id}/versions/{version}")).await.is(200, &expected);
        let published = published.as_str().expect("an id");
        let of_published = acme.get(&format!("{OWN_CLIENTS}/{published}")).await.json();
        assert_eq!(of_published["data"]["attributes"]["state"], "unpublished");
        assert_eq!(of_published["data"]["relationships"]["open_version"]["data"]["id"], version);
        let both = acme.get(OWN_CLIENTS).await.json();
        assert_eq!(both["meta"]["page"]["total_count"], 2);
        let kinds = acme.get(&format!("{OWN_CLIENTS}?filter[kind]=published")).await.json();
        assert_eq!(kinds["data"].as_array().map(Vec::len), Some(1));
        assert_eq!(acme.get(&format!("{OWN_CLIENTS}?filter[kind]=x")).await.status, 400);
    }

    async fn an_unpublished_client_cannot_be_used(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        make_partner(&acme, "").await;
        let id = draft(&acme, complete()).await;
        let first = first_version(&acme, &id).await;
        let flow = crate::support::flow::McpClient { app: &app, id: first.client_id, redirect_uri: REDIRECT.to_owned() };
        let client = PrivateClient { flow, secret: first.secret };
        let mut eve = acme.person("eve@acme.example", Role::Standard).await;

        let page = eve.open(&client.flow.url(&[])).await;
        let exchanged = client.exchange("code").await;

        assert!(page.status == 400 && page.text.contains(UNKNOWN), "{}", page.text);
        assert_eq!((exchanged.status.as_u16(), exchanged.json()["error"].clone()), (401, json!("invalid_client")));
    }

    async fn only_a_partner_with_a_complete_client_can_submit(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let bare = json!({"name": "Bare", "redirect_uris": ["http://localhost/cb"]});
        let id = draft(&acme, bare).await;

        forbidden(&submit(&acme, &id).await, "this organization is not an approved partner: the operator of this server approves partners");
        make_partner(&acme, "").await;
        let missing = submit(&acme, &id).await;

        let error = |detail: &str| json!({"status": "400", "title": "Bad Request", "detail": detail});
        missing.is(400, &json!({"errors": [
            error("description is missing: say what the client does"),
            error("onboarding_url is missing: it is where users begin to connect the client"),
            error("redirect_uris[0] is on this machine: a published client uses https only"),
            error("scopes is empty: choose at least one"),
        ]}));
        let dev = acme.colleague("dev@acme.example", Role::Standard).await;
        assert_eq!(submit(&dev, &id).await.status, 403, "members without org_management cannot");
        let bad = submission(json!({"scope_reasons": {"mcp_read": ""}}));
        acme.post(&format!("{OWN_CLIENTS}/{id}/submit"), &bad)
            .await
            .is(400, &json_api_at("/data/attributes/scope_reasons/mcp_read", "the reason is empty: use 1 to 500 characters"));
    }

    async fn one_version_is_in_review_at_a_time_and_can_be_withdrawn(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        make_partner(&acme, "").await;
        let id = draft(&acme, complete()).await;
        let first = first_version(&acme, &id).await;

        let again = submit(&acme, &id).await;
        let published = submit(&acme, &first.client_id).await;
        let withdrawn = acme.post(&format!("{OWN_CLIENTS}/{id}/withdraw"), &json!({})).await;
        let nothing = acme.post(&format!("{OWN_CLIENTS}/{id}/withdraw"), &json!({})).await;
        let outdated = acme.post(&format!("{OWN_CLIENTS}/{id}/submit"), &submission(json!({"revision": 7}))).await;
        let second = submit(&acme, &id).await;

        conflict(&again, &format!("version {} is in review: withdraw it before another is submitted", first.version_id));
        conflict(&published, &format!("this is the published client: submit its private one, {id}"));
        assert_eq!(withdrawn.json()["data"]["attributes"]["state"], "withdrawn");
        conflict(&nothing, "nothing is submitted");
        conflict(&outdated, "the client has changed: its revision is 1");
        assert_eq!(second.status, 201, "{}", second.text);
        let second = second.json()["data"]["attributes"].clone();
        assert_eq!((second["number"].clone(), second["client_id"].clone()), (json!(2), json!(first.client_id)));
        assert_eq!(second.get("client_secret"), None, "the secret stays");
        let versions = acme.get(&format!("{OWN_CLIENTS}/{id}/versions")).await.json();
        let states: Vec<&Value> = versions["data"].as_array().expect("a list").iter().map(|version| &version["attributes"]["state"]).collect();
        assert_eq!(states, ["submitted", "withdrawn"]);
    }

    async fn of_two_submissions_at_once_one_succeeds(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        make_partner(&acme, "").await;
        let id = draft(&acme, complete()).await;

        let (one, other) = tokio::join!(submit(&acme, &id), submit(&acme, &id));

        let mut statuses = [one.status.as_u16(), other.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409]);
    }

    async fn only_reviewers_see_the_queue(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let judge = reviewer(&app, "Server").await;
        make_partner(&acme, "").await;
        let id = draft(&acme, complete()).await;
        let first = first_version(&acme, &id).await;

        let queue = judge.get(REVIEWS).await.json();

        assert_eq!(queue["data"][0]["id"], first.version_id.as_str());
        assert_eq!(queue["meta"], json!({"page": {"total_count": 1, "total_filtered_count": 1}}));
        let review = format!("{REVIEWS}/{}", first.version_id);
        for stranger in [&acme, &umbra] {
            forbidden(&stranger.get(REVIEWS).await, NOT_A_REVIEWER);
            forbidden(&stranger.get(&review).await, NOT_A_REVIEWER);
            forbidden(&approve(stranger, &first.version_id).await, NOT_A_REVIEWER);
            forbidden(&stranger.post(&format!("{review}/reject"), &decision("no")).await, NOT_A_REVIEWER);
        }
        let bearer = Bearer::of(&judge, &app.registered("App").await, "openid", &[]).await;
        forbidden(&bearer.get(REVIEWS).await, "an access token may not manage clients: use an API key and an application key");
        assert_eq!(judge.get(&format!("{REVIEWS}?filter[state]=nonsense")).await.status, 400);
        let unknown = json_api(404, "Not Found", "there is no version with this id");
        for id in [NOBODY, "not-a-uuid"] {
            judge.get(&format!("{REVIEWS}/{id}")).await.is(404, &unknown);
            approve(&judge, id).await.is(404, &unknown);
        }
    }

    async fn a_review_shows_differences_and_warnings(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let judge = reviewer(&app, "Server").await;
        make_partner(&acme, "").await;
        let published = PublishedClient::of(&acme, &judge, complete()).await;
        let id = &published.private_id;
        let more = json!({"scopes": ["openid", "mcp_read", "mcp_write"], "onboarding_url": "https://www.pager.example/start"});
        assert_eq!(acme.patch(&format!("{OWN_CLIENTS}/{id}"), &change(id, more)).await.status, 200);
        let second = submit(&acme, id).await.json();
        let version = second["data"]["id"].as_str().expect("an id");

        let review = judge.get(&format!("{REVIEWS}/{version}")).await.json();

        let against = acme.get(&format!("{OWN_CLIENTS}/{id}/versions")).await.json()["data"][1]["id"].clone();
        assert_eq!(review["meta"], json!({
            "diff": {
                "against": against,
                "changes": [
                    {
                        "member": "scopes",
                        "before": ["mcp_read", "openid"],
                        "after": ["mcp_read", "mcp_write", "openid"],
                        "added": ["mcp_write"],
                        "removed": [],
                    },
                    {
                        "member": "onboarding_url",
                        "before": "https://pager.example/start",
                        "after": "https://www.pager.example/start",
                    },
                ],
            },
            "warnings": ["people begin at www.pager.example, but their access is sent to pager.example"],
        }));
    }

    async fn an_approved_client_is_authorized_by_any_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let judge = reviewer(&app, "Server").await;
        make_partner(&acme, "").await;
        let published = PublishedClient::of(&acme, &judge, complete()).await;
        let mut bob = umbra.person("bob@umbra.example", Role::Standard).await;

        let tokens = token(&published.client, &mut bob).await;

        assert_eq!((tokens.status.as_u16(), tokens.json()["scope"].clone()), (200, json!("mcp_read openid")));
        let shown = acme.get(&published.client.path()).await.json()["data"]["attributes"].clone();
        assert_eq!((shown["state"].clone(), shown["published_at"].clone(), shown["kind"].clone()), (json!("published"), json!(START), json!("published")));
        let again = approve(&judge, acme.get(&format!("{OWN_CLIENTS}/{}/versions", published.private_id)).await.json()["data"][0]["id"].as_str().expect("an id")).await;
        conflict(&again, "this version is published, not submitted");
        assert_eq!(actions(&acme).await, ["client.created", "client.submitted", "client.published"]);
    }

    async fn a_published_client_cannot_be_edited_and_its_private_one_not_deleted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let judge = reviewer(&app, "Server").await;
        make_partner(&acme, "").await;
        let published = PublishedClient::of(&acme, &judge, complete()).await;
        let id = &published.client.flow.id;

        let edited = acme.patch(&published.client.path(), &change(id, json!({"name": "Other"}))).await;
        let deleted = acme.delete(&format!("{OWN_CLIENTS}/{}", published.private_id)).await;

        conflict(&edited, &format!("a published client cannot be edited: change the private one, {}, and submit it again", published.private_id));
        conflict(&deleted, &format!("its published client, {id}, is in use: retire it first"));
    }

    async fn an_edit_after_the_submission_does_not_change_what_is_published(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let judge = reviewer(&app, "Server").await;
        make_partner(&acme, "").await;
        let id = draft(&acme, complete()).await;
        let first = first_version(&acme, &id).await;
        let edit = json!({"name": "Evil", "redirect_uris": ["https://evil.example/cb"], "scopes": ["mcp_write"]});
        assert_eq!(acme.patch(&format!("{OWN_CLIENTS}/{id}"), &change(&id, edit)).await.status, 200);

        assert_eq!(approve(&judge, &first.version_id).await.status, 200);

        let shown = acme.get(&format!("{OWN_CLIENTS}/{}", first.client_id)).await.json()["data"]["attributes"].clone();
        let published = (shown["name"].clone(), shown["redirect_uris"].clone(), shown["scopes"].clone());
        assert_eq!(published, (json!("Pager"), json!([REDIRECT]), json!(["mcp_read", "openid"])));
    }

    async fn the_next_version_keeps_id_and_secret_and_takes_effect_by_approval(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let judge = reviewer(&app, "Server").await;
        make_partner(&acme, "").await;
        let published = PublishedClient::of(&acme, &judge, complete()).await;
        let id = &published.private_id;
        let mut bob = umbra.person("bob@umbra.example", Role::Standard).await;
        let tokens = token(&published.client, &mut bob).await.json();
        let refresh_token = tokens["refresh_token"].as_str().expect("a token");
        acme.patch(&format!("{OWN_CLIENTS}/{id}"), &change(id, json!({"scopes": ["openid"]}))).await;
        let second = submit(&acme, id).await.json();
        let before = published.client.refresh(refresh_token).await.json();

        let approved = approve(&judge, second["data"]["id"].as_str().expect("an id")).await;

        assert_eq!(approved.status, 200, "{}", approved.text);
        assert_eq!(before["scope"], "mcp_read openid");
        let after = published.client.refresh(refresh_token).await.json();
        assert_eq!(after["scope"], "openid", "the same secret works, and the removed scope is gone: {after}");
        let versions = acme.get(&format!("{OWN_CLIENTS}/{id}/versions")).await.json();
        let states: Vec<&Value> = versions["data"].as_array().expect("a list").iter().map(|version| &version["attributes"]["state"]).collect();
        assert_eq!(states, ["published", "superseded"]);
    }

    async fn a_rejection_needs_a_note_that_the_owner_can_read(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let judge = reviewer(&app, "Server").await;
        make_partner(&acme, "").await;
        let id = draft(&acme, complete()).await;
        let first = first_version(&acme, &id).await;
        let path = format!("{REVIEWS}/{}/reject", first.version_id);

        judge.post(&path, &submission(json!({}))).await.is(400, &json_api_at("/data/attributes/note", "note is missing: say why"));
        judge.post(&path, &decision(" ")).await.is(400, &json_api_at("/data/attributes/note", "note is missing: say why"));
        let rejected = judge.post(&path, &decision("The description is too short.")).await;

        assert_eq!(rejected.status, 200, "{}", rejected.text);
        let read = acme.get(&format!("{OWN_CLIENTS}/{id}/versions/{}", first.version_id)).await.json()["data"]["attributes"].clone();
        assert_eq!((read["state"].clone(), read["decision_note"].clone()), (json!("rejected"), json!("The description is too short.")));
        conflict(&approve(&judge, &first.version_id).await, "this version is rejected, not submitted");
        assert_eq!(submit(&acme, &id).await.status, 201, "it can be submitted again");
    }

    async fn approving_and_withdrawing_at_once_has_one_outcome(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let judge = reviewer(&app, "Server").await;
        make_partner(&acme, "").await;
        let id = draft(&acme, complete()).await;
        let first = first_version(&acme, &id).await;
        let path = format!("{OWN_CLIENTS}/{id}/withdraw");
        let nothing = json!({});

        let (approved, withdrawn) = tokio::join!(approve(&judge, &first.version_id), acme.post(&path, &nothing));

        let mut statuses = [approved.status.as_u16(), withdrawn.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
    }

    async fn no_reviewer_decides_about_their_own_submission_or_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        let judge = reviewer(&app, "Server").await;
        let colleague = judge.colleague("dev@server.example", Role::Admin).await;
        make_partner(&judge, "").await;
        let own = draft(&judge, complete()).await;
        let own = first_version(&judge, &own).await;
        let mut other = complete();
        other["name"] = json!("Buzzer");
        let of_colleague = draft(&colleague, other).await;
        let of_colleague = first_version(&colleague, &of_colleague).await;

        forbidden(&approve(&judge, &own.version_id).await, "you submitted this version: another reviewer decides about it");
        forbidden(&approve(&judge, &of_colleague.version_id).await, "you cannot review submissions from your own organization");
    }

    async fn published_names_that_look_alike_are_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let judge = reviewer(&app, "Server").await;
        make_partner(&acme, "").await;
        make_partner(&umbra, "").await;
        PublishedClient::of(&acme, &judge, complete()).await;
        let mut copy = complete();
        copy["name"] = json!("Раgеr");
        let id = draft(&umbra, copy).await;
        let first = first_version(&umbra, &id).await;

        let refused = approve(&judge, &first.version_id).await;

        conflict(&refused, "the published client \"Pager\" has a name that looks like this one");
        let review = judge.get(&format!("{REVIEWS}/{}", first.version_id)).await.json();
        assert_eq!(review["meta"]["warnings"][0], "the name looks like that of the published client \"Pager\"");
    }

    async fn a_suspended_client_cannot_be_used_until_it_is_resumed(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let judge = reviewer(&app, "Server").await;
        make_partner(&acme, "").await;
        let published = PublishedClient::of(&acme, &judge, complete()).await;
        let mut bob = umbra.person("bob@umbra.example", Role::Standard).await;
        let tokens = token(&published.client, &mut bob).await.json();
        let (access, refresh) = (tokens["access_token"].as_str().expect("a token"), tokens["refresh_token"].as_str().expect("a token"));

        published.set(&judge, json!({"suspended": true})).await.is(400, &json_api_at("/data/attributes/note", "note is missing: say why"));
        let suspended = published.set(&judge, json!({"suspended": true, "note": "It sends mail to everybody."})).await;

        assert_eq!(suspended.json()["data"]["attributes"]["state"], "suspended");
        assert_eq!(published.client.refresh(refresh).await.json()["error"], "invalid_client");
        let page = bob.open(&published.client.flow.url(&[])).await;
        assert!(page.text.contains(UNKNOWN), "{}", page.text);
        let info = crate::support::request(axum::http::Method::GET, "/oauth2/v1/userinfo").header("authorization", format!("Bearer {access}"));
        assert_eq!(app.ask(info).await.status, 401, "its access token is refused at once");

        assert_eq!(published.set(&judge, json!({"suspended": false})).await.status, 200);
        assert_eq!(published.client.refresh(refresh).await.status, 200, "the grant was kept");
        published.set(&judge, json!({"suspended": false})).await.is(422, &{
            let mut error = json_api(422, "Unprocessable Entity", "nothing would change");
            error["errors"][0]["source"] = json!({"pointer": "/data/attributes"});
            error
        });
        assert_eq!(actions(&acme).await, ["client.created", "client.submitted", "client.published", "client.suspended", "client.resumed"]);
    }

    async fn a_retired_client_ends_in_every_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let judge = reviewer(&app, "Server").await;
        make_partner(&acme, "").await;
        let published = PublishedClient::of(&acme, &judge, complete()).await;
        let mut bob = umbra.person("bob@umbra.example", Role::Standard).await;
        let tokens = token(&published.client, &mut bob).await.json();

        assert_eq!(acme.delete(&published.client.path()).await.status, 204);

        let refreshed = published.client.refresh(tokens["refresh_token"].as_str().expect("a token")).await;
        assert_eq!(refreshed.json()["error"], "invalid_client");
        let of_umbra = listed::audit_events(app.db(), umbra.org_id, 100).await.expect("is readable");
        assert_eq!(of_umbra.last().map(|event| event.action.as_str()), Some("grant.revoked"));
        assert_eq!(acme.get(&published.client.path()).await.json()["data"]["attributes"]["state"], "retired");
        conflict(&acme.delete(&published.client.path()).await, "its published client was retired: create another client");
        conflict(&submit(&acme, &published.private_id).await, "its published client was retired: create another client");
        conflict(&published.set(&judge, json!({"listed": true})).await, "its published client was retired: create another client");
        assert_eq!(acme.delete(&format!("{OWN_CLIENTS}/{}", published.private_id)).await.status, 204);
        let name_is_free = PublishedClient::of(&acme, &judge, complete()).await;
        assert_ne!(name_is_free.client.flow.id, published.client.flow.id);
    }

    async fn a_tile_is_visible_to_its_owner_until_it_is_listed(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let judge = reviewer(&app, "Server").await;
        make_partner(&acme, "").await;
        let published = PublishedClient::of(&acme, &judge, complete()).await;
        let reader = umbra.colleague("reader@umbra.example", Role::ReadOnly).await;

        let own = acme.get(PUBLISHED).await.json();
        let foreign = reader.get(PUBLISHED).await.json();
        published.set(&judge, json!({"listed": true})).await;

        let id = &published.client.flow.id;
        assert_eq!(own["data"], json!([{
            "id": id,
            "type": "oauth2_clients",
            "attributes": {
                "name": "Pager",
                "description": "On-call alerts",
                "scopes": ["mcp_read", "openid"],
                "listed": false,
                "published_at": START,
                "connect_url": format!("{}/connect/{id}", app.app.config.http.public_url.as_str()),
            },
            "relationships": {"org": {"data": {"id": acme.org_id, "type": "orgs"}}},
        }]));
        assert_eq!(foreign["data"], json!([]));
        assert_eq!(reader.get(PUBLISHED).await.json()["data"][0]["attributes"]["listed"], true);
        published.set(&judge, json!({"suspended": true, "note": "why"})).await;
        assert_eq!(acme.get(PUBLISHED).await.json()["data"], json!([]));
    }

    async fn the_secret_of_a_published_client_is_for_administrators(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let judge = reviewer(&app, "Server").await;
        make_partner(&acme, "").await;
        let published = PublishedClient::of(&acme, &judge, complete()).await;
        let dev = acme.colleague("dev@acme.example", Role::Standard).await;
        let path = format!("{}/client_secret/regenerate", published.client.path());

        let body = json!({"data": {"type": "client_secrets"}});
        assert_eq!(dev.post(&path, &body).await.status, 403);
        let made = acme.post(&path, &body).await;

        assert_eq!(made.status, 200, "{}", made.text);
        assert_eq!(published.client.exchange("code").await.json()["error"], "invalid_client", "the old secret has ended");
    }

    async fn clients_of_others_do_not_exist(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let judge = reviewer(&app, "Server").await;
        make_partner(&acme, "").await;
        make_partner(&umbra, "").await;
        let published = PublishedClient::of(&acme, &judge, complete()).await;
        let version = acme.get(&format!("{OWN_CLIENTS}/{}/versions", published.private_id)).await.json()["data"][0]["id"].clone();
        let version = version.as_str().expect("an id");
        let unknown = json_api(404, "Not Found", "this organization has no client with this id");
        for id in [published.private_id.as_str(), published.client.flow.id.as_str(), NOBODY, "not-a-uuid"] {
            let path = format!("{OWN_CLIENTS}/{id}");
            for method in ["submit", "withdraw"] {
                umbra.post(&format!("{path}/{method}"), &submission(json!({}))).await.is(404, &unknown);
            }
            umbra.get(&format!("{path}/versions")).await.is(404, &unknown);
            umbra.get(&format!("{path}/versions/{version}")).await.is(404, &unknown);
        }
        let own = draft(&umbra, json!({"name": "Own", "redirect_uris": [REDIRECT]})).await;
        umbra
            .get(&format!("{OWN_CLIENTS}/{own}/versions/{version}"))
            .await
            .is(404, &json_api(404, "Not Found", "there is no version with this id"));
        let body = change(&own, json!({"listed": true}));
        judge
            .patch(&format!("{PUBLISHED}/{own}"), &body)
            .await
            .is(404, &json_api(404, "Not Found", "there is no published client with this id"));
    }

    async fn a_request_that_waits_for_its_user_follows_what_reviewers_decide(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let judge = reviewer(&app, "Server").await;
        make_partner(&acme, "").await;
        let published = PublishedClient::of(&acme, &judge, complete()).await;
        let id = &published.private_id;
        let mut bob = umbra.person("bob@umbra.example", Role::Standard).await;
        let consent = bob.opens_consent(&published.client.flow.url(&[])).await;
        let elsewhere = json!({"redirect_uris": ["https://pager.example/other"]});
        acme.patch(&format!("{OWN_CLIENTS}/{id}"), &change(id, elsewhere)).await;
        let second = submit(&acme, id).await.json();
        approve(&judge, second["data"]["id"].as_str().expect("an id")).await;

        let moved = bob.submit(&crate::support::flow::Form::approving(&consent)).await;

        assert_eq!(moved.status, 400);
        assert!(moved.text.contains("invalid_request - Mismatching redirect URI."), "{}", moved.text);
    }
}
