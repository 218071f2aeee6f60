//! The restore drill of the docs: a backup is restored, and everything that it revived is revoked.

use serde_json::{Value, json};

use crate::support::{Engine, Program, restriction_path};

fn status(server: &crate::support::Server, keys: &Value) -> u16 {
    let path = restriction_path("00000000-0000-4000-8000-000000000000");
    server.ask_with(keys, "GET", &path, "").status.as_u16()
}

fn kid(server: &crate::support::Server) -> Value {
    server.get("/oauth2/v1/jwks").json()["keys"][0]["kid"].clone()
}

#[tokio::test]
async fn a_restored_backup_brings_revoked_keys_back_until_everything_is_revoked() {
    let program = Program::on(Engine::Sqlite).await;
    let keys = program.bootstrap();
    let first = program.start();
    let leaked = kid(&first);
    program.run(["backup", "backup.db"]).succeeded();
    program.run(["key", "revoke", keys["application_key_id"].as_str().expect("an id")]).succeeded();
    program.run(["keys", "revoke", leaked.as_str().expect("an id")]).succeeded();
    first.stop();
    for name in ["grantor.db", "grantor.db-wal", "grantor.db-shm"] {
        let _ = std::fs::remove_file(program.folder().join(name));
    }
    std::fs::copy(program.folder().join("backup.db"), program.folder().join("grantor.db"))
        .expect("is copied");

    let restored = program.start();
    let (alive, same_key) = (status(&restored, &keys), kid(&restored) == leaked);
    restored.stop();
    let shown = program.run(["restore"]);
    let done = program.json(&["restore", "--revoke-everything"]);
    let again = program.run(["restore", "--revoke-everything"]);
    let after = program.start();

    assert_eq!((alive, same_key), (404, true), "the backup knows no revocation");
    assert_eq!((shown.code, shown.stdout.as_str()), (2, ""));
    assert!(
        shown.stderr.contains("1 API keys, 1 application keys and 1 signing keys"),
        "{}",
        shown.stderr
    );
    assert_eq!(
        done["revoked"],
        json!({"sessions": 0, "pending_requests": 0, "codes": 0, "grants": 0, "operator_keys": 2, "signing_keys": 1})
    );
    assert_eq!((&done["left"]["users"], &done["left"]["api_keys"]), (&json!(1), &json!(0)));
    assert!(again.succeeded().contains("1 users who can sign in"), "{}", again.stdout);
    assert_eq!(status(&after, &keys), 403);
    assert_ne!(kid(&after), leaked);
}

#[test]
fn a_restore_requires_an_existing_database() {
    let refused = Program::on_the_default_file().run(["restore", "--revoke-everything"]);

    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert!(
        refused.stderr.starts_with("there is no database at data/grantor.db"),
        "{}",
        refused.stderr
    );
}

#[tokio::test]
async fn a_missing_key_file_of_a_used_database_stops_every_command_that_needs_it() {
    let program = Program::on(Engine::Sqlite).await;
    program.start().stop();
    let key = program.folder().join("grantor.key");
    let copy = std::fs::read(&key).expect("a key file");
    std::fs::remove_file(&key).expect("is removed");

    let refused = program.launch().finish();
    let rotated = program.run(["keys", "rotate"]);
    let is_made = key.exists();
    std::fs::write(&key, copy).expect("is put back");
    let server = program.start();

    let message = format!(
        "the key file {} is missing. The database next to it was used with a key file, and its signing keys and secrets \
         cannot be decrypted without it. Restore the file from your copy. If it is lost, create a new one with ",
        key.display()
    );
    assert!(refused.code == 1 && refused.stderr.contains(&message), "{}", refused.stderr);
    assert!(rotated.code == 1 && rotated.stderr.starts_with(&message), "{}", rotated.stderr);
    assert!(!is_made);
    assert_eq!(server.management("/readyz").status, 200);
}

#[tokio::test]
async fn a_lost_key_file_can_be_replaced_as_the_error_describes() {
    let program = Program::on(Engine::Sqlite).await;
    program.start().stop();
    let key = program.folder().join("grantor.key");
    std::fs::remove_file(&key).expect("is removed");
    std::fs::write(&key, "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n").expect("is written");

    let refused = program.launch().finish();
    program.run(["keys", "rotate", "--now"]).succeeded();
    let server = program.start();

    assert_eq!(refused.code, 1);
    assert_eq!(server.management("/readyz").status, 200);
}
