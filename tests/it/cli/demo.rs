//! `grantor demo` prints commands that work when they are pasted line by line.

use std::fs;

use crate::support::{Program, Running};

#[test]
fn the_demo_tour_can_be_pasted_and_leaves_nothing_behind() {
    let program = Program::on_the_default_file();
    let temporary = program.folder().join("tmp");
    fs::create_dir(&temporary).expect("a folder");
    let program = program.with("TMPDIR", temporary.to_str().expect("UTF-8"));
    let demo = program.launch_as("demo");
    let printed = demo.stdout_with("# This is the end of the tour.");

    let mut shell = program.command("bash");
    shell.arg("-eu").env("PATH", std::env::var_os("PATH").expect("a PATH"));
    let (_, tour) = printed.split_once("# 1.").expect("a tour");
    let pasted = Running::spawn(shell, &format!("# 1.{tour}")).finish();
    let said = pasted.succeeded();

    let (before, after) = said.split_once("\"access_token\"").expect("tokens");
    assert!(
        before.starts_with(
            "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer resource_metadata="
        ),
        "{before}"
    );
    assert!(before.contains("\nmcp_write\nac_"), "what is withheld, and then the code: {before}");
    assert!(after.contains("\"scope\":\"mcp_read openid\""), "{after}");
    assert!(
        after.contains("HTTP/1.1 200 OK") && after.contains("\"you_may\":\"mcp_read openid\""),
        "{after}"
    );
    let (_, end) = after.split_once("\"you_may\"").expect("an answer of the API");
    assert!(end.contains("\n200\nHTTP/1.1 401 Unauthorized"), "{end}");
    assert!(end.contains("error=\"invalid_token\""), "{end}");

    demo.signal("INT");
    assert_eq!(demo.finish().code, 0);
    let left = fs::read_dir(&temporary).expect("a folder").filter_map(Result::ok);
    let left: Vec<_> = left
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("grantor-demo"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!program.folder().join("data").exists(), "it has a database of its own");
}
