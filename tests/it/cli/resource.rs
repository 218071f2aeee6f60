//! `grantor resource`, while a server uses the resource.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::support::{Engine, Program, plain_http, until};

/// The operator's spelling, which is used byte for byte.
const URI: &str = "https://MCP.example:443/mcp/";
const OTHER_SPELLING: &str = "https://mcp.example/mcp";

fn create<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["resource", "create", "--uri", URI, "--name", "Docs"], more].concat()
}

/// The introspection response for some token with this secret.
fn introspect(program: &Program, secret: &str) -> (u16, Value) {
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("resource:{secret}")));
    let headers =
        [("Authorization", basic.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
    let answer =
        plain_http::ask(program.address(), "POST", "/oauth2/v1/introspect", &headers, "token=x");
    let answer = answer.expect("an answer");
    (answer.status.as_u16(), answer.json())
}

on_both! {
    async fn the_secret_of_a_resource_allows_introspection_until_the_resource_is_deleted(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let _server = program.start();

        let made = program.json(&create(&["--scopes", "mcp_write,mcp_read"]));

        let (id, secret) = (made["id"].as_str().expect("an id"), made["secret"].as_str().expect("a secret"));
        assert!(secret.starts_with("rs_") && secret.len() > 40, "{secret}");
        let url = program.url();
        let expected = json!({
            "id": id,
            "uri": URI,
            "name": "Docs",
            "scopes": ["mcp_read", "mcp_write"],
            "declared": false,
            "created_at": made["created_at"],
            "metadata": {
                "resource": URI,
                "authorization_servers": [url],
                "scopes_supported": ["mcp_read", "mcp_write"],
                "bearer_methods_supported": ["header"],
                "resource_name": "Docs",
            },
            "metadata_path": "/.well-known/oauth-protected-resource/mcp/",
            "www_authenticate": "Bearer resource_metadata=\"https://MCP.example:443/.well-known/oauth-protected-resource/mcp/\", \
                                 scope=\"mcp_read mcp_write\"",
            "introspection_endpoint": format!("{url}/oauth2/v1/introspect"),
            "introspect": format!(
                "curl --user \"resource:$SECRET\" --data-urlencode \"token=$TOKEN\" {url}/oauth2/v1/introspect"
            ),
        });
        assert_eq!(program.json(&["resource", "show", id]), expected);
        assert_eq!(program.json(&["resource", "show", URI]), expected);
        assert_eq!(program.json(&["resource", "show", OTHER_SPELLING]), expected);
        assert_eq!(introspect(&program, secret), (200, json!({"active": false})));

        let deleted = program.json(&["resource", "delete", OTHER_SPELLING]);

        assert_eq!(deleted, json!({"id": id, "uri": URI, "deleted": true}));
        assert_eq!(program.json(&["resource", "list"]), json!([]));
        // Other tests check the exact time with a manual clock.
        until("the secret is refused", async || introspect(&program, secret).0 == 401).await;
    }

    async fn existing_and_invalid_resources_are_reported(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        program.run(create(&[])).succeeded();

        let again = program.run(["resource", "create", "--uri", OTHER_SPELLING, "--name", "Again"]);

        again.failed(1, "the resource https://mcp.example/mcp already exists; `grantor resource show` shows it");
        let fails = |arguments: &[&str], code: i32, text: &str| program.run(arguments).failed(code, text);
        let other = ["resource", "create", "--uri", "https://other.example", "--name"];
        fails(&[&other[..], &["x", "--scopes", "no_such_scope"]].concat(), 1, "\"no_such_scope\" is not a scope of the catalog; to add it, copy config/scopes-minimal.toml or config/scopes.toml, \
             write \"no_such_scope\" = { description = \"Do what the scope is for\" } under [permission] in the copy, and set \
             scopes.catalog to its path");
        fails(&[&other[..], &[" "]].concat(), 1, "the name of a resource must be one line of 1 to 200 characters");
        let none = "there is no resource \"https://other.example\"; `grantor resource list` lists all";
        fails(&["resource", "show", "https://other.example"], 1, none);
        fails(&["resource", "delete", "https://other.example"], 1, none);
        assert_eq!(program.json(&["resource", "list"]).as_array().map(Vec::len), Some(1));
    }

    async fn resources_from_the_settings_are_listed_and_cannot_be_deleted(engine: Engine) {
        let declared = json!([{
            "uri": "https://declared.example/api/", "name": "Declared", "scopes": ["mcp_read"], "secret_sha256": "0".repeat(64),
        }]);
        let program = Program::on(engine).await.with("GRANTOR_RESOURCES__DECLARED", declared.to_string());
        program.bootstrap();
        let made = program.json(&create(&[]));

        let listed = program.json(&["resource", "list"]);

        let of_settings = json!({
            "id": null,
            "uri": "https://declared.example/api/",
            "name": "Declared",
            "scopes": ["mcp_read"],
            "declared": true,
            "created_at": null,
        });
        let stored = json!({
            "id": made["id"], "uri": URI, "name": "Docs", "scopes": [], "declared": false, "created_at": made["created_at"],
        });
        assert_eq!(listed, json!([of_settings, stored]));
        let shown = program.json(&["resource", "show", "https://declared.example/api"]);
        assert_eq!((&shown["declared"], shown.get("secret")), (&json!(true), None));
        program.run(["resource", "create", "--uri", "https://declared.example/api", "--name", "x"])
            .failed(1, "the resource https://declared.example/api is declared in the settings, under resources.declared");
        program.run(["resource", "delete", "https://declared.example/api"])
            .failed(1, "https://declared.example/api/ is declared in the settings: remove it from resources.declared");
    }
}

#[tokio::test]
async fn an_invalid_resource_is_a_usage_error() {
    let program = Program::on(Engine::Sqlite).await;
    for uri in ["http://mcp.example/", "mcp.example", "https://mcp.example/#x"] {
        let refused = program.run(["resource", "create", "--uri", uri, "--name", "x"]);

        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{uri}: {}", refused.stderr);
    }
}

#[tokio::test]
async fn a_created_resource_is_printed_with_instructions_and_its_secret_once() {
    let program = Program::on(Engine::Sqlite).await;
    program.bootstrap();

    let made = program.run(create(&[]));
    let shown = program.run(["resource", "show", OTHER_SPELLING]);

    let (made, shown) = (made.succeeded(), shown.succeeded());
    assert!(made.contains("Secret    rs_") && !shown.contains("rs_"), "{made}\n{shown}");
    for text in [
        "Serve this document publicly at /.well-known/oauth-protected-resource/mcp/, as application/json:",
        "\"resource\": \"https://MCP.example:443/mcp/\"",
        "WWW-Authenticate: Bearer resource_metadata=\"https://MCP.example:443/.well-known/oauth-protected-resource/mcp/\"\n",
        "curl --user \"resource:$SECRET\"",
    ] {
        assert!(made.contains(text) && shown.contains(text), "{text}\n{made}\n{shown}");
    }
}
