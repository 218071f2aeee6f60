//! `grantor user set-password`, and the passwords that every command refuses.

use serde_json::json;

use super::create::create;
use crate::cli::text;
use crate::support::{Engine, Program};

on_both! {
    async fn only_a_generated_password_is_printed(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();
        let set = ["--output", "json", "user", "set-password", "--email", "admin@acme.example"];

        let made = program.run(set).json();
        let given = program.run_with_input(set.iter().chain(&["--password-stdin"]), "a long pass phrase\n").json();

        assert_eq!(made, json!({"email": "admin@acme.example", "password": text(&made["password"])}));
        assert_eq!(given, json!({"email": "admin@acme.example", "password": null}));
    }

    async fn a_weak_password_is_refused_everywhere(engine: Engine) {
        let program = Program::on(engine).await;
        let weak = |arguments: &[&str], password: &str| {
            program.run_with_input(arguments.iter().chain(&["--password-stdin"]), &format!("{password}\n"))
        };
        let common = "the password is too easy to guess: it consists of common words or patterns";
        let personal = "the password is too easy to guess: it consists of the email address, the name or the organization";

        weak(&["bootstrap", "--org", "Acme", "--email", "ada@acme.example"], "Password-2026!").failed(1, common);
        program.bootstrap();
        weak(&create("eve@acme.example", "standard"), "Acme eve example").failed(1, personal);
        let set = ["user", "set-password", "--email", "admin@acme.example"];
        weak(&set, "eleven char").failed(1, "the password must have at least 12 characters");
        weak(&set, "admin@acme.example").failed(1, personal);
    }

    async fn a_password_reset_can_end_all_grants_of_the_user(engine: Engine) {
        let program = Program::on(engine).await;
        program.bootstrap();

        let set = program.run(["user", "set-password", "--email", "admin@acme.example", "--end-grants"]);

        assert!(set.succeeded().contains("It must be changed at the next sign-in."), "{}", set.stdout);
    }
}

#[tokio::test]
async fn an_empty_password_is_a_usage_error() {
    let program = Program::on(Engine::Sqlite).await;
    program.bootstrap();

    let refused = program.run_with_input(
        ["user", "set-password", "--email", "admin@acme.example", "--password-stdin"],
        "\n",
    );

    refused.failed(2, "--password-stdin: the first line of standard input is empty");
}
