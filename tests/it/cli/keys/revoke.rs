//! `grantor keys revoke`.

use serde_json::json;

use super::kids;
use crate::support::Program;

on_both! {
    async fn a_revoked_key_leaves_the_key_set_of_a_running_server_within_thirty_seconds(engine: Engine) {
        let program = Program::on(engine).await;
        let server = program.start();
        let old = kids(&server).remove(0);
        let old = old.as_str().expect("an id");

        let unknown = program.run(["keys", "revoke", "-no-such-key"]);
        let revoked = program.json(&["keys", "revoke", &old[..12]]);
        server.wait_for_log("signing keys were removed from the key set");
        let text = program.run(["keys", "revoke", revoked["signs_now"]["id"].as_str().expect("an id")]);

        assert_eq!((unknown.code, unknown.stdout.as_str()), (1, ""));
        assert_eq!(revoked, json!({
            "revoked": {"id": old, "algorithm": "ES256"},
            "signs_now": {"id": revoked["signs_now"]["id"], "is_new": true},
            "families": 0,
            "last_token_ends_at": revoked["last_token_ends_at"],
            "servers_within_seconds": 30,
            "key_set_cached_for_seconds": 60,
        }));
        assert_eq!(kids(&server), [revoked["signs_now"]["id"].clone()]);
        let message = text.succeeded();
        for part in ["Revoked the signing key ", ", a new key, signs now.", "within 30 seconds", "at most 60 seconds",
            "no access token that Grantor signed with it is still valid", "grantor restore --revoke-everything"] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
}
