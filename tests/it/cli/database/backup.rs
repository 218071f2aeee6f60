//! `grantor backup`.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::support::{Engine, Program};

#[tokio::test]
async fn a_backup_of_a_busy_server_is_complete_and_private() {
    let program = Program::on(Engine::Sqlite).await;
    program.bootstrap();
    let server = program.start();
    let client = server.registered("A client");

    let written = program.json(&["backup", "copy.db"]);
    server.registered("Another client");

    let copy = program.clone().with("GRANTOR_DATABASE__URL", "sqlite:copy.db");
    assert_eq!(written, json!({"file": "copy.db"}));
    let listed = copy.json(&["client", "list", "--all", "--org", "Acme"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    assert_eq!(listed[0]["id"], json!(client));
    let mode =
        std::fs::metadata(program.folder().join("copy.db")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_backup_overwrites_nothing() {
    let program = Program::on(Engine::Sqlite).await;
    program.run(["migrate", "up"]).succeeded();
    program.write("precious", "");

    program.run(["backup", "precious"]).failed(1, "precious already exists; name a new file");
    assert_eq!(std::fs::read(program.folder().join("precious")).expect("a file"), b"");
}

#[tokio::test]
async fn a_backup_of_postgres_is_refused() {
    let program = Program::on(Engine::Postgres).await;
    program.run(["migrate", "up"]).succeeded();

    let message = "backups of Postgres are made with pg_dump or pg_basebackup; `grantor backup` is for SQLite";
    program.run(["backup", "copy.db"]).failed(1, message);
    assert!(!program.folder().join("copy.db").exists());
}
