//! `grantor keys re-encrypt`.

use serde_json::json;

use super::{METHODS, NEW, OLD, kids, method, ring_key, with_ring};
use crate::support::Program;

on_both! {
    async fn a_missing_key_of_organizations_is_named_and_re_encrypting_replaces_it(engine: Engine) {
        let program = with_ring(&Program::on(engine).await, OLD);
        let (keys, server) = (program.bootstrap(), program.start());
        let made = server.ask_with(&keys, "POST", METHODS, &method().to_string());
        server.stop();
        let (lost, both) = (with_ring(&program, NEW), with_ring(&program, format!("{NEW},{OLD}").as_str()));

        let refused = lost.launch().finish();
        let before = lost.run(["keys", "re-encrypt"]);
        let kept = both.run(["keys", "status"]);
        let done = both.json(&["keys", "re-encrypt"]);
        let after = lost.start();

        assert_eq!((made.status.as_u16(), refused.code, refused.stdout.as_str()), (201, 1, ""));
        let message = "the ring key \"old\" is not in the ring, and it encrypts 1 signing key and 1 auth method. Add the missing keys \
                    after the newest key in `secrets.key` or, if that is not set, in the key file next to the database. \
                    `grantor keys status` shows what needs which key, and `grantor keys forget` deletes everything that \
                    a lost key has encrypted";
        assert!(refused.stderr.trim_end().ends_with(message), "{}", refused.stderr);
        assert_eq!(
            before.succeeded(),
            "encrypted again with new: 0\ncould not be decrypted with this ring and were left unchanged: 2\nold: missing \
             from the ring; it encrypts 1 signing key and 1 auth method, and no server starts without it\n"
        );
        assert_eq!(
            kept.succeeded().lines().nth(3),
            Some("old  older   1             1             0         0                  0")
        );
        assert_eq!(done, json!({"resealed": 2, "unopened": 0, "left": [ring_key("old", "older", 0)]}));
        assert_eq!(kids(&after).len(), 1);
    }
}
