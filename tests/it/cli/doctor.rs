//! `grantor doctor` confirms correct setups and reports what breaks clients.

use serde_json::{Value, json};

use crate::support::{Program, Reply, Site};

on_both! {
    async fn a_correct_server_has_no_problem(engine: Engine) {
        let program = Program::on(engine).await;
        let _server = program.start();

        let report = program.json(&["doctor"]);

        assert_eq!((&report["ok"], problems(&report)), (&json!(true), vec![]));
        let about: Vec<&Value> = report["findings"].as_array().expect("a list").iter().map(|one| &one["about"]).collect();
        for name in ["settings", "issuer", "database", "clock", "migrations", "signing keys", "discovery", "CORS"] {
            assert!(about.contains(&&json!(name)), "{name} of {about:?}");
        }
    }

    async fn an_mcp_server_that_references_this_server_has_no_problem(engine: Engine) {
        let program = Program::on(engine).await;
        let _server = program.start();
        let mcp = Mcp::naming(&program.url(), |url| url.to_owned()).await;

        let (_, report) = examined(&program, &["doctor", "--mcp-server", &mcp.url()]).await;

        assert_eq!(problems(&report), Vec::<String>::new());
        let text = report.to_string();
        assert!(text.contains("is exactly the issuer of this server"), "{text}");
    }

    async fn another_spelling_of_the_issuer_in_an_mcp_server_is_reported(engine: Engine) {
        let program = Program::on(engine).await;
        let _server = program.start();
        let url = program.url();
        let cases = [
            (format!("{url}/"), "it has an extra trailing slash"),
            (format!("{url}/tenant"), "its path differs"),
            (url.replace("http", "HTTP"), "it differs in upper and lower case"),
        ];
        for (named, difference) in cases {
            let mcp = Mcp::naming(&named, |url| url.to_owned()).await;

            let (code, report) = examined(&program, &["doctor", "--mcp-server", &mcp.url()]).await;

            let found = problems(&report);
            assert_eq!((code, found.len()), (3, 1), "{found:?}");
            let begin = format!("authorization_servers[0] is not the issuer of this server: {difference}");
            assert!(found[0].starts_with(&begin), "{found:?}");
            assert!(found[0].contains("Codex") && found[0].contains(&named), "{found:?}");
        }
    }
}

#[tokio::test]
async fn settings_with_another_database_than_the_server_are_reported() {
    let program = Program::on_the_default_file();
    let server = program.start();
    let other = Program::on_the_default_file();
    other.start().stop();
    let looking = other.with("GRANTOR_HTTP__PUBLIC_URL", program.url());

    let (code, report) = examined(&looking, &["doctor"]).await;
    let (right, correct_report) = examined(&program, &["doctor"]).await;

    let found = problems(&report);
    assert_eq!((code, found.len()), (3, 1), "{found:?}");
    let begin = "the server at the public URL uses another database than these settings: none of its keys is in this database";
    assert!(found[0].starts_with(begin), "{found:?}");
    assert_eq!(right, 0, "{correct_report}");
    assert!(correct_report.to_string().contains("it matches the database"), "{correct_report}");
    assert_eq!(server.management("/readyz").status, 200);
}

#[tokio::test]
async fn another_resource_of_an_mcp_server_is_reported() {
    let program = Program::on_the_default_file();
    let _server = program.start();
    let mcp = Mcp::naming(&program.url(), |url| format!("{url}/")).await;

    let (code, report) = examined(&program, &["doctor", "--mcp-server", &mcp.url()]).await;

    let found = problems(&report);
    assert_eq!((code, found.len()), (3, 2), "{found:?}");
    assert!(
        found[0].starts_with(
            "resource is not the URL of the MCP server: it has an extra trailing slash"
        ),
        "{found:?}"
    );
    assert!(
        found[1].starts_with("aud of its tokens differs from the document: it lacks"),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_trailing_slash_of_a_resource_is_accepted_if_it_is_configured() {
    let program = Program::on_the_default_file();
    let _server = program.start();
    let mcp = Mcp::naming(&program.url(), |url| format!("{url}/")).await;
    let uri = format!("{}/", mcp.url());
    let problems_of =
        async || problems(&examined(&program, &["doctor", "--mcp-server", &uri]).await.1);

    let unknown = problems_of().await;
    program.run(["resource", "create", "--uri", &uri, "--name", "MCP"]).succeeded();
    let known = problems_of().await;

    assert!(
        unknown.len() == 1 && unknown[0].starts_with("aud of its tokens differs"),
        "{unknown:?}"
    );
    assert_eq!(known, Vec::<String>::new());
}

#[tokio::test]
async fn members_that_clients_cannot_read_are_named_with_the_affected_clients() {
    let program = Program::on_the_default_file();
    let _server = program.start();
    let mcp = Mcp::naming(&program.url(), |url| url.to_owned()).await;
    mcp.says(json!({
        "resource": mcp.url(),
        "authorization_servers": [program.url()],
        "scopes_supported": null,
        "resource_name": 7,
    }));

    let (code, report) = examined(&program, &["doctor", "--mcp-server", &mcp.url()]).await;

    let found = problems(&report);
    assert_eq!((code, found.len()), (3, 2), "{found:?}");
    let null = "scopes_supported must be a list of strings, but it is null; this affects clients on the TypeScript SDK";
    assert!(found[0].starts_with(null), "{found:?}");
    assert!(
        found[1].starts_with("resource_name must be a string, but it is a number"),
        "{found:?}"
    );
}

#[tokio::test]
async fn an_mcp_server_without_access_control_is_reported() {
    let program = Program::on_the_default_file();
    let _server = program.start();
    let open = Site::answering(Reply::json("{}")).await;

    let (code, report) = examined(&program, &["doctor", "--mcp-server", &open.url("/mcp")]).await;

    let found = problems(&report);
    assert_eq!((code, found.len()), (3, 1), "{found:?}");
    assert!(found[0].starts_with("a request without a token returns 200"), "{found:?}");
}

#[tokio::test]
async fn an_api_without_post_has_no_problem() {
    let program = Program::on_the_default_file();
    let _server = program.start();
    let api = Mcp::naming(&program.url(), |url| url.to_owned()).await;
    api.server.then([Reply::status(405)]);

    let (_, report) = examined(&program, &["doctor", "--mcp-server", &api.url()]).await;

    assert_eq!(problems(&report), Vec::<String>::new());
    assert!(
        report.to_string().contains("POST returns 405, so this is an API and not an MCP server"),
        "{report}"
    );
}

#[tokio::test]
async fn a_refused_resource_and_an_unknown_scope_are_reported() {
    let program = Program::on_the_default_file().with("GRANTOR_RESOURCES__UNKNOWN", "refuse");
    let _server = program.start();
    let mcp = Mcp::with(&program.url(), |url| url.to_owned(), &["mcp_read", "nonsense"]).await;

    let (_, report) = examined(&program, &["doctor", "--mcp-server", &mcp.url()]).await;

    let found = problems(&report);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("resource is not known to this server"), "{found:?}");
    assert!(found[1].starts_with("scopes_supported names nonsense"), "{found:?}");
}

#[tokio::test]
async fn a_stopped_server_is_a_problem_and_nothing_is_created() {
    let program = Program::on_the_default_file();

    let (code, report) = examined(&program, &["doctor"]).await;

    let found = problems(&report);
    assert_eq!((code, found.len()), (3, 2), "{found:?}");
    assert_eq!(found[0], "the file data/grantor.db does not exist");
    assert!(found[1].starts_with("no connection to 127.0.0.1"), "{found:?}");
    assert!(!program.folder().join("data").exists());
}

#[tokio::test]
async fn unreadable_settings_are_a_problem() {
    let program =
        Program::on_the_default_file().with("GRANTOR_HTTP__PUBLIC_URL", "https://auth.example/");

    let (code, report) = examined(&program, &["doctor"]).await;

    let found = problems(&report);
    assert_eq!((code, found.len()), (3, 1), "{found:?}");
    assert!(found[0].contains("http.public_url"), "{found:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_readable_key_file_and_settings_that_break_clients_are_reported() {
    use std::os::unix::fs::PermissionsExt as _;
    let program = Program::on_the_default_file()
        .with("GRANTOR_TOKENS__REFRESH_GRACE", "0")
        .with("GRANTOR_TOKENS__REFRESH_REPEAT", "0")
        .with("GRANTOR_HTTP__TRUSTED_PROXIES", "0.0.0.0/0")
        .with("GRANTOR_REGISTRATION__TOLERATE", "[]");
    let _server = program.start();
    let key = program.folder().join("data/grantor.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("a file of ours");

    let (_, report) = examined(&program, &["doctor"]).await;

    let about: Vec<&str> =
        of_level(&report, "problem").filter_map(|finding| finding["about"].as_str()).collect();
    assert_eq!(
        about,
        ["http.trusted_proxies", "tokens.refresh_grace", "registration.tolerate", "key ring"]
    );
}

#[tokio::test]
async fn a_proxy_that_changes_responses_is_reported() {
    let program = Program::on_the_default_file();
    let _server = program.start();
    let proxy =
        Site::answering(Reply::status(301).with_header("location", "https://elsewhere.example/"))
            .await;

    let (code, report) = examined(&program, &["doctor", "--url", &proxy.url("")]).await;

    let found = problems(&report);
    assert_eq!((code, found.len()), (3, 1), "{found:?}");
    assert!(found[0].contains("returns 301 to https://elsewhere.example/"), "{found:?}");
}

/// Runs on its own thread, so that the sites of the test can respond meanwhile.
async fn examined(program: &Program, arguments: &[&str]) -> (i32, Value) {
    let program = program.clone();
    let arguments: Vec<String> =
        ["--output", "json"].iter().chain(arguments).map(|one| (*one).to_owned()).collect();
    let ended = tokio::task::spawn_blocking(move || program.run(arguments)).await.expect("ends");
    let report = serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", ended.stderr));
    (ended.code, report)
}

fn of_level<'a>(report: &'a Value, level: &'a str) -> impl Iterator<Item = &'a Value> {
    report["findings"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(move |finding| finding["level"] == level)
}

fn problems(report: &Value) -> Vec<String> {
    of_level(report, "problem")
        .filter_map(|finding| finding["message"].as_str().map(str::to_owned))
        .collect()
}

/// An MCP server for a client: one site with its challenge, another with its metadata.
struct Mcp {
    server: Site,
    metadata: Site,
}

impl Mcp {
    async fn naming(issuer: &str, resource: impl FnOnce(&str) -> String) -> Self {
        Self::with(issuer, resource, &["mcp_read"]).await
    }

    async fn with(issuer: &str, resource: impl FnOnce(&str) -> String, scopes: &[&str]) -> Self {
        let metadata = Site::answering(Reply::status(404)).await;
        let challenge = format!("Bearer resource_metadata=\"{}\"", metadata.url("/metadata"));
        let server =
            Site::answering(Reply::status(401).with_header("www-authenticate", challenge)).await;
        let resource = resource(&server.url("/mcp"));
        let document = json!({"resource": resource, "authorization_servers": [issuer], "scopes_supported": scopes});
        metadata.answer(Reply::json(document));
        Self { server, metadata }
    }

    fn says(&self, document: Value) {
        self.metadata.answer(Reply::json(document));
    }

    fn url(&self) -> String {
        self.server.url("/mcp")
    }
}
