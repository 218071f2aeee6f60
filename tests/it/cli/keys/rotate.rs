//! `grantor keys rotate`.

use serde_json::json;

use super::{NEW, OLD, kids, ring_key, states, with_ring};
use crate::support::Program;

on_both! {
    async fn keys_can_be_shown_rotated_and_resealed_while_a_server_runs(engine: Engine) {
        let program = with_ring(&Program::on(engine).await, OLD);
        let server = program.start();
        let first = program.json(&["keys", "status"]);
        let rotated = program.json(&["keys", "rotate"]);
        let waiting = program.json(&["keys", "status"]);
        program.json(&["keys", "rotate", "--now"]);
        server.stop();
        let both = with_ring(&program, &format!("{NEW},{OLD}"));

        let before = both.json(&["keys", "status"]);
        let done = both.json(&["keys", "re-encrypt"]);
        let again = both.json(&["keys", "re-encrypt"]);
        let after = with_ring(&program, NEW).start();

        assert_eq!((&first["ring"], states(&first)), (&json!([ring_key("old", "newest", 1)]), vec![("signs", "old")]));
        assert_eq!(states(&waiting), [("signs", "old"), ("published", "old")]);
        assert_eq!(waiting["signing_keys"][1]["id"], rotated["id"]);
        assert_eq!(waiting["signing_keys"][1]["signs_from"], rotated["signs_from"]);
        assert_eq!(waiting["signing_keys"][0]["retired_at"], rotated["signs_from"]);
        assert_eq!(before["ring"], json!([ring_key("new", "newest", 0), ring_key("old", "older", 3)]));
        let left = json!([ring_key("old", "older", 0)]);
        assert_eq!(done, json!({"resealed": 3, "unopened": 0, "left": left}));
        assert_eq!(again, json!({"resealed": 0, "unopened": 0, "left": left}));
        assert_eq!(kids(&after).len(), 3);
    }
}
