//! `grantor keys status`, as text.

use super::{NEW, OLD, with_ring};
use crate::support::{Engine, Program};

#[tokio::test]
async fn keys_are_printed_as_two_tables_and_a_summary() {
    let program = with_ring(&Program::on(Engine::Sqlite).await, OLD);
    program.start().stop();
    let both = with_ring(&program, &format!("{NEW},{OLD}"));

    let status = both.run(["keys", "status"]);
    let before = with_ring(&program, NEW).run(["keys", "re-encrypt"]);
    let done = both.run(["keys", "re-encrypt"]);
    let rotated = both.run(["keys", "rotate", "--now"]);

    let lines: Vec<&str> = status.succeeded().lines().collect();
    assert!(lines[0].starts_with("Key ring: "), "{lines:?}");
    assert_eq!(
        lines[1..5],
        [
            "ID   PLACE   SIGNING KEYS  AUTH METHODS  WEBHOOKS  WEBHOOK VARIABLES  FAMILIES",
            "new  newest  0             0             0         0                  0",
            "old  older   1             0             0         0                  0",
            "",
        ]
    );
    assert_eq!(lines[5], "Signing keys");
    assert_eq!(lines.len(), 8);
    assert_eq!(
        before.succeeded(),
        "encrypted again with new: 0\ncould not be decrypted with this ring and were left unchanged: 1\nold: missing \
         from the ring; it encrypts 1 signing key, which can verify tokens but not sign them\n"
    );
    assert_eq!(
        done.succeeded(),
        "encrypted again with new: 1\nold: no longer needed; it can be removed from the ring\n"
    );
    assert_eq!(done.stderr, "");
    assert!(
        rotated.succeeded().ends_with("servers see it within 30 seconds\n"),
        "{}",
        rotated.stdout
    );
}
