//! `grantor selftest` runs the steps of an MCP client against correct and broken servers.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::{Value, json};

use crate::support::{Program, Reply, Site};

on_both! {
    async fn a_correct_server_passes_and_no_test_data_remains(engine: Engine) {
        let program = Program::on(engine).await;
        let _server = program.start();

        let first = program.json(&["selftest"]);
        let again = program.json(&["selftest", "--url", &program.url()]);

        for report in [&first, &again] {
            let steps = report["steps"].as_array().expect("a list");
            let wrong: Vec<&Value> = steps.iter().filter(|step| step["ok"] != true).collect();
            assert!(wrong.is_empty() && steps.len() == 21, "{wrong:?} of {}", steps.len());
            assert_eq!((&report["ok"], &report["url"]), (&json!(true), &json!(program.url())));
        }
        assert_eq!(program.json(&["user", "list"]), json!([]));
        let orgs = program.json(&["org", "list"]);
        assert_eq!(orgs.as_array().map(Vec::len), Some(1), "one for all self-tests: {orgs}");
        // The remaining client is deleted like any unused client.
        let clients = program.json(&["client", "list", "--all", "--org", "grantor selftest"]);
        assert_eq!(clients.as_array().map(Vec::len), Some(1), "{clients}");
    }

    async fn an_issuer_that_differs_by_a_slash_is_reported_and_no_test_data_remains(engine: Engine) {
        let program = Program::on(engine).await;
        let _server = program.start();

        let failed = program.run(["selftest", "--url", &format!("{}/", program.url())]);

        assert_eq!(failed.code, 3, "{}", failed.stderr);
        assert!(failed.stdout.contains("the issuer differs: it lacks the trailing slash"), "{}", failed.stdout);
        assert!(failed.stdout.contains("affects Codex"), "{}", failed.stdout);
        assert!(failed.stderr.contains("steps failed"), "{}", failed.stderr);
        assert_eq!(program.json(&["user", "list"]), json!([]));
    }
}

#[tokio::test]
async fn a_service_without_other_sites_passes() {
    let program = Program::on_the_default_file().with("GRANTOR_CONFIG", "grantor.toml");
    program.write("grantor.toml", "[sites]\nhosts = []\n");
    let _server = program.start();

    let report = program.json(&["selftest"]);
    let doctor = program.json(&["doctor"]);

    assert_eq!(report["ok"], true, "{report}");
    let about_sites = |finding: &&Value| finding["about"] == "sites.hosts";
    assert_eq!(doctor["findings"].as_array().expect("a list").iter().find(about_sites), None);
}

#[tokio::test]
async fn a_server_that_believes_a_forged_address_is_reported() {
    let program = Program::on_the_default_file();
    let server = program.start();
    let text = |program: &Program| program.run(["selftest"]).succeeded().to_owned();

    let direct = text(&program);
    server.stop();
    let program = program.with("GRANTOR_HTTP__TRUSTED_PROXIES", "127.0.0.1");
    let _server = program.start();
    let trusted = text(&program);

    assert!(direct.contains("a forged address: ignored: the server saw 127.0.0.1"), "{direct}");
    assert!(
        trusted.contains("a forged address: used, because it came from a trusted proxy"),
        "{trusted}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_broken_server_every_fault_is_named_with_the_affected_clients() {
    let program = Program::on_the_default_file();
    program.run(["migrate", "up"]).succeeded();
    let site = Site::answering(Reply::status(404)).await;
    let document = json!({
        "issuer": site.url("/"),
        "token_endpoint": site.url("/token"),
        "service_documentation": null,
        "code_challenge_methods_supported": ["plain"],
    });
    site.answer(Reply::json(document));

    let failed = program.run(["--output", "json", "selftest", "--url", &site.url("")]);

    assert_eq!(failed.code, 3, "{}", failed.stderr);
    let report: Value = serde_json::from_str(&failed.stdout).expect("JSON");
    let said = report["steps"][0]["message"].as_str().expect("a text");
    for named in [
        "an extra trailing slash",
        "null is not a valid value: service_documentation",
        "registration_endpoint is missing",
    ] {
        assert!(said.contains(named), "{named}: {said}");
    }
    assert!(said.contains("code_challenge_methods_supported does not list S256"), "{said}");
    let step = |name: &str| {
        report["steps"].as_array().expect("a list").iter().find(|step| step["step"] == name)
    };
    assert_eq!(
        step("another well-known path").expect("a step")["ok"],
        false,
        "it answers 200 everywhere"
    );
    assert_eq!(
        step("code for tokens").expect("a step")["ok"],
        Value::Null,
        "it could not be tried"
    );
    assert_eq!(program.json(&["user", "list"]), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_stopped_half_way_removes_whom_it_has_made() {
    for signal in ["INT", "TERM"] {
        let silent = Site::answering(Reply::Silence).await;
        let program =
            Program::on_the_default_file().with("GRANTOR_HTTP__PUBLIC_URL", silent.url(""));
        program.run(["migrate", "up"]).succeeded();
        let selftest = program.launch_as("selftest");
        silent.wait_for_requests(1).await;
        assert_eq!(program.json(&["user", "list"]).as_array().map(Vec::len), Some(1));

        selftest.signal(signal);

        selftest.finish().failed(1, "stopped");
        assert_eq!(program.json(&["user", "list"]), json!([]), "{signal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refreshes_that_cannot_be_repeated_are_named() {
    let program = Program::on_the_default_file()
        .with("GRANTOR_TOKENS__REFRESH_GRACE", "0")
        .with("GRANTOR_TOKENS__REFRESH_REPEAT", "0");
    let _server = program.start();

    let failed = program.run(["selftest"]);

    assert_eq!(failed.code, 3, "{}", failed.stderr);
    assert!(
        failed.stdout.contains("`tokens.refresh_grace` and `tokens.refresh_repeat` are 0"),
        "{}",
        failed.stdout
    );
    assert!(failed.stdout.contains("affects Claude Code, Codex and OpenCode"), "{}", failed.stdout);
}

#[tokio::test]
async fn a_proxy_that_changes_the_consent_page_is_reported() {
    let unchanged = |line: &str| Some(line.to_owned());
    let with_form_action = |line: &str| match is_header(line, "content-security-policy") {
        true => Some(format!("{line}; form-action 'self'")),
        false => Some(line.to_owned()),
    };
    let with_a_second_policy = |line: &str| match is_header(line, "content-security-policy") {
        true => Some(format!("{line}\r\nContent-Security-Policy: form-action 'self'")),
        false => Some(line.to_owned()),
    };
    let without_framing = |line: &str| {
        let forbids =
            ["content-security-policy", "x-frame-options"].iter().any(|name| is_header(line, name));
        (!forbids).then(|| line.to_owned())
    };
    let cases: [(Change, Option<&str>); 4] = [
        (unchanged, None),
        (
            with_form_action,
            Some("has form-action 'self', added by something in front of this server"),
        ),
        (
            with_a_second_policy,
            Some("has form-action 'self', added by something in front of this server"),
        ),
        (without_framing, Some("the consent page can be shown in a frame")),
    ];
    for (change, fault) in cases {
        let step = step_behind(unchanged, change, "login and consent");

        assert_eq!(step["ok"], json!(fault.is_none()), "{step}");
        let said = step["message"].as_str().expect("a text");
        assert!(fault.is_none_or(|fault| said.contains(fault)), "{step}");
    }
}

#[tokio::test]
async fn a_proxy_that_drops_the_authorization_header_is_reported() {
    let keeps = |line: &str| (!is_header(line, "authorization")).then(|| line.to_owned());

    let step = step_behind(keeps, |line| Some(line.to_owned()), "introspection");

    assert_eq!(step["ok"], json!(false), "{step}");
    let said = step["message"].as_str().expect("a text");
    assert!(said.starts_with("with the secret in HTTP Basic, it returns 401"), "{said}");
    assert!(said.contains("removes or changes the Authorization header"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_the_way_is_named_by_its_title() {
    let program = Program::on_the_default_file();
    program.run(["migrate", "up"]).succeeded();
    let page = "<!DOCTYPE html>\n<html lang=\"en\"><head><title>You&#39;re not &lt;in&gt;</title></head><body>x</body></html>";
    let site = Site::answering(
        Reply::status(403).with_header("content-type", "text/html").with_body(page),
    )
    .await;

    let failed = program.run(["selftest", "--url", &site.url("")]);

    assert_eq!(failed.code, 3, "{}", failed.stderr);
    assert!(
        failed.stdout.contains("not 403 with the page \"You're not <in>\""),
        "{}",
        failed.stdout
    );
    assert!(!failed.stdout.contains("<html"), "{}", failed.stdout);
}

/// Changes a line of a header section, or removes it by returning `None`.
type Change = fn(&str) -> Option<String>;

fn is_header(line: &str, name: &str) -> bool {
    line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name))
}

/// The result of a step of the self-test behind a proxy that changes headers.
fn step_behind(of_requests: Change, of_answers: Change, step: &str) -> Value {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let program = Program::on_the_default_file().with("GRANTOR_HTTP__PUBLIC_URL", &url);
    let _server = program.start();
    let to = program.address();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            std::thread::spawn(move || pass_on(client, to, of_requests, of_answers));
        }
    });

    let tested = program.run(["--output", "json", "selftest"]);

    let report: Value = serde_json::from_str(&tested.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", tested.stderr));
    let found = report["steps"].as_array().expect("a list").iter().find(|one| one["step"] == step);
    found.unwrap_or_else(|| panic!("no step {step}: {report}")).clone()
}

/// Forwards one request and its complete response.
fn pass_on(mut client: TcpStream, to: SocketAddr, of_request: Change, of_answer: Change) {
    let Some((head, mut body)) = read_head(&mut client) else { return };
    let length = head.lines().find(|line| is_header(line, "content-length"));
    let length = length.and_then(|line| line.split_once(':')?.1.trim().parse().ok()).unwrap_or(0);
    let mut rest = vec![0; usize::saturating_sub(length, body.len())];
    client.read_exact(&mut rest).expect("the rest of the body");
    body.append(&mut rest);
    let mut server = TcpStream::connect(to).expect("the server");
    let head = changed(&head, of_request) + "connection: close\r\n\r\n";
    server.write_all(head.as_bytes()).and_then(|()| server.write_all(&body)).expect("is sent");
    let Some((head, mut body)) = read_head(&mut server) else { return };
    server.read_to_end(&mut body).expect("the rest of the answer");
    let head = changed(&head, of_answer) + "\r\n";
    // The client may have disconnected.
    let _ = client.write_all(head.as_bytes()).and_then(|()| client.write_all(&body));
}

fn changed(head: &str, change: Change) -> String {
    head.lines().filter_map(change).map(|line| line + "\r\n").collect()
}

/// The header lines, and the part of the body that arrived with them.
fn read_head(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = bytes.split_off(end + 4);
            return Some((String::from_utf8(bytes[..end].to_vec()).expect("text"), body));
        }
        match stream.read(&mut buffer) {
            Ok(count @ 1..) => bytes.extend_from_slice(&buffer[..count]),
            _ => return None,
        }
    }
}
