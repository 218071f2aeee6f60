//! `grantor invite`.

use serde_json::Value;

use crate::support::Program;

on_both! {
    async fn a_person_is_invited_and_another_call_prints_a_new_link(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let invite = ["invite", "--email", "new@acme.example", "--role", "standard"];
        let json = [&["--output", "json"][..], &invite].concat();

        let first = program.run(&json);
        let second = program.run(invite);

        assert_eq!((first.code, second.code), (0, 0), "{first:?} {second:?}");
        let shown: Value = serde_json::from_str(&first.stdout).expect("JSON");
        assert_eq!((&shown["email"], &shown["role"]), (&"new@acme.example".into(), &"standard".into()));
        let link = shown["link"].as_str().expect("a link");
        assert!(link.contains("/invitation/"), "{link}");
        let line = second.stdout.lines().last().expect("a line").to_owned();
        assert!(line.contains("/invitation/") && line != link, "{second:?}");
        assert!(second.stdout.starts_with("invited new@acme.example to "), "{second:?}");
    }

    async fn a_member_cannot_be_invited(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        program.run(["user", "create", "--email", "ada@acme.example", "--role", "standard"]);

        let refused = program.run(["invite", "--email", "ada@acme.example", "--role", "admin"]);

        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.stderr.contains("already a member of the organization"), "{refused:?}");
    }

    async fn no_log_line_contains_the_token_of_a_link(engine: Engine) {
        let program = Program::on(engine).await.with("GRANTOR_LOG__LEVEL", "trace");
        program.bootstrap();
        let server = program.start();
        let shown = program.json(&["invite", "--email", "new@acme.example", "--role", "read_only"]);
        let link = shown["link"].as_str().expect("a link");
        let path = link.strip_prefix(&program.url()).expect("is on this server");

        let page = server.get(path);

        assert!(page.text.contains("new@acme.example"), "{}", page.text);
        let stopped = server.stop();
        let token = path.strip_prefix("/invitation/").expect("a token");
        assert!(stopped.stderr.contains("/invitation/{token}"), "the request is in the log");
        assert!(!stopped.stderr.contains(token) && !stopped.stdout.contains(token));
    }
}
