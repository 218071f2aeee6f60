//! Refused bodies and URLs of auth methods.

use super::*;

on_both! {
    async fn every_error_in_a_body_is_listed_and_nothing_is_stored(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let id = created(&operator, "kept").await;
        let url = |url: &str| {
            let mistake = receiver_url::parse(url, false).expect_err(url);
            (whole_with("access_token_url", Some(json!(url))), AuthMethodMistake::Url(mistake).to_string())
        };
        let said = |member: &str, value: Option<Value>, detail: &str| (whole_with(member, value), detail.to_owned());
        let required = ["name", "access_token_url", "client_id", "client_secret"];
        let longest = |member: &str| if member == "name" { 100 } else { 2048 };
        let mut missing = Vec::new();
        let mut cases = vec![
            said("audience", Some(json!(7)), "audience is not a string: send a JSON string or null"),
            said("scope", Some(json!("")), "scope is empty: send null for none"),
            said("scope", Some(json!("s".repeat(2049))), "scope is longer than 2048 characters: shorten it"),
            said("name", Some(json!("a\nb")), "name contains a control character, such as a line break: remove it"),
            said("client_secret", Some(json!(format!("{SECRET}\u{0}"))), "client_secret contains a control character, such as a line break: remove it"),
            url("http://auth.example/token"),
            url("http://127.0.0.1:8000/token"),
            url("https://127.0.0.1/token"),
            url("https://localhost/token"),
            url("https://10.0.0.1/token"),
            url("https://169.254.169.254/latest/meta-data"),
            url("https://[::ffff:10.0.0.1]/token"),
            url("https://ada:pw@auth.example/token"),
            url("https://auth.example/token#fragment"),
            url("ftp://auth.example/token"),
            url("auth.example/token"),
        ];
        for member in required {
            missing.push(said(member, None, &format!("{member} is missing: send a string")));
            cases.push(said(member, Some(Value::Null), &format!("{member} is null: send a string, or omit it in a change")));
            cases.push(said(member, Some(json!([SECRET])), &format!("{member} is not a string: send a JSON string")));
            cases.push(said(member, Some(json!("")), &format!("{member} is empty: send at least one character")));
            let too_long = json!("x".repeat(longest(member) + 1));
            cases.push(said(member, Some(too_long), &format!("{member} is longer than {} characters: shorten it", longest(member))));
        }
        for (body, detail) in missing.iter().chain(&cases) {
            refuses(&operator.post(CREDENTIALS, body).await, 400, &strings(detail));
        }
        for (body, detail) in &cases {
            refuses(&operator.patch(&path(&id), body).await, 400, &strings(detail));
        }
        operator.get(WITH_CREDENTIALS).await
            .is(200, &json!({"data": [listed(&id)], "included": [resource(&id, &whole("kept"))]}));
    }

    async fn a_body_with_another_shape_is_refused_without_quoting_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let id = created(&operator, "kept").await;
        let shape = "the body is not {\"data\": {\"type\": \"webhooks-auth-method-oauth2-client-credentials\", \
                     \"attributes\": {...}}} with each member at most once";
        let twice = format!(r#"{{"data":{{"type":"{TYPE}","attributes":{{"client_secret":"{SECRET}","client_secret":"x"}}}}}}"#);
        let cases = [
            (format!("{{\"{SECRET}"), 400, shape.to_owned()),
            (format!("[\"{SECRET}\"]"), 400, shape.to_owned()),
            (twice, 400, shape.to_owned()),
            ("{}".to_owned(), 400, "data is missing".to_owned()),
            (r#"{"data":{"attributes":{}}}"#.to_owned(), 400, format!("data.type is not {TYPE}")),
            (json!({"data": {"type": TYPE}}).to_string(), 400, "data.attributes is missing".to_owned()),
            ("x".repeat(70_000), 413, "the body is larger than 65536 bytes".to_owned()),
        ];
        for (body, status, detail) in cases {
            for (method, path) in [(Method::POST, CREDENTIALS.to_owned()), (Method::PATCH, path(&id))] {
                let request = operator.request(method, &path).header("content-type", "application/json");
                let answer = app.send(request.body(Body::from(body.clone())).expect("a request")).await;
                refuses(&answer, status, &strings(&detail));
            }
        }
        let form = operator.request(Method::POST, CREDENTIALS).header("content-type", "text/plain");
        let answer = app.send(form.body(Body::from(SECRET)).expect("a request")).await;
        refuses(&answer, 415, &strings("the body is not sent as JSON: set the header Content-Type: application/json"));
    }

    async fn the_json_api_media_type_is_accepted_and_unknown_members_are_ignored(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let mut body = request(whole("A method"));
        body["data"]["id"] = json!(NOBODY);
        body["data"]["attributes"]["protocol"] = json!("another");

        let request = operator.request(Method::POST, CREDENTIALS).header("content-type", "application/vnd.api+json");
        let answer = app.send(request.body(Body::from(body.to_string())).expect("a request")).await;

        let id = answer.json()["data"]["id"].as_str().expect("an id").to_owned();
        assert_ne!(id, NOBODY);
        answer.is(201, &json!({"data": resource(&id, &whole("A method"))}));
    }

    async fn loopback_urls_require_the_setting(engine: Engine) {
        let app = TestApp::with(engine, &[("webhooks.allow_loopback", "true")]).await;
        let operator = app.operator("Acme").await;
        for url in ["http://127.0.0.1:9000/token", "https://localhost/token"] {
            let mut sent = whole(url);
            sent["access_token_url"] = json!(url);

            let answer = operator.post(CREDENTIALS, &request(sent.clone())).await;

            let id = answer.json()["data"]["id"].as_str().expect("an id").to_owned();
            answer.is(201, &json!({"data": resource(&id, &sent)}));
        }
        let private = operator.post(CREDENTIALS, &whole_with("access_token_url", Some(json!("https://10.0.0.1/")))).await;
        assert_eq!(private.status, 400, "{}", private.text);
    }
}
