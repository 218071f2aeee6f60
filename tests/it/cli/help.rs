//! Every command has help, and usage errors have their own exit code.

use crate::support::Program;

#[test]
fn every_command_and_subcommand_has_help() {
    let program = Program::on_the_default_file();
    let mut found = Vec::new();

    walk(&program, &[], &mut found);

    found.sort();
    let promised = [
        "audit",
        "audit list",
        "backup",
        "bootstrap",
        "client",
        "client disable",
        "client enable",
        "client list",
        "client show",
        "config",
        "config check",
        "config example",
        "config print",
        "demo",
        "doctor",
        "grant",
        "grant list",
        "grant revoke",
        "healthcheck",
        "key",
        "key create",
        "key list",
        "key revoke",
        "keys",
        "keys re-encrypt",
        "keys revoke",
        "keys rotate",
        "keys status",
        "migrate",
        "migrate status",
        "migrate up",
        "openapi",
        "org",
        "org create",
        "org list",
        "org set",
        "resource",
        "resource create",
        "resource delete",
        "resource list",
        "resource show",
        "restriction",
        "restriction delete",
        "restriction get",
        "restriction preview",
        "restriction set",
        "selftest",
        "serve",
        "user",
        "user create",
        "user disable",
        "user list",
        "user set-password",
        "webhook",
        "webhook deliveries",
        "webhook list",
        "webhook replay",
        "webhook test",
    ];
    let missing: Vec<&str> =
        promised.into_iter().filter(|command| found.iter().all(|known| known != command)).collect();
    assert_eq!(missing, [""; 0], "of {found:?}");
}

/// Scripts depend on these flags.
#[test]
fn the_flags_used_by_scripts_exist() {
    let program = Program::on_the_default_file();
    let promised: [(&[&str], &[&str]); 18] = [
        (&[], &["--config", "--set", "--output"]),
        (&["bootstrap"], &["--org", "--email", "--password-stdin"]),
        (&["org", "set"], &["--default-client-scopes"]),
        (&["user", "create"], &["--org", "--email", "--name", "--role", "--password-stdin"]),
        (&["user", "list"], &["--org"]),
        (&["user", "set-password"], &["--email", "--password-stdin"]),
        (&["key", "create"], &["--org", "--user"]),
        (&["key", "list"], &["--org", "--limit"]),
        (&["client", "list"], &["--org", "--all", "--name", "--limit"]),
        (&["client", "disable"], &["--org"]),
        (
            &["restriction", "set"],
            &["--org", "--oidc-scopes", "--permission-scopes", "--if-digest"],
        ),
        (&["restriction", "preview"], &["--org", "--oidc-scopes", "--permission-scopes", "--all"]),
        (&["grant", "list"], &["--org", "--user", "--client", "--limit"]),
        (&["audit", "list"], &["--org", "--actor", "--event", "--since", "--limit"]),
        (&["resource", "create"], &["--uri", "--name", "--scopes"]),
        (&["webhook", "deliveries"], &["--org", "--webhook", "--state", "--limit"]),
        (&["selftest"], &["--url"]),
        (&["doctor"], &["--url", "--mcp-server"]),
    ];
    for (command, flags) in promised {
        let help = program.run(command.iter().chain(&["--help"])).stdout;
        for flag in flags {
            assert!(
                help.contains(&format!("{flag} ")) || help.contains(&format!("{flag}\n")),
                "{command:?} {flag}: {help}"
            );
        }
    }
}

#[test]
fn the_help_mentions_the_organization_variable() {
    let program = Program::on_the_default_file();
    for command in [
        ["client", "list"],
        ["restriction", "get"],
        ["key", "list"],
        ["grant", "list"],
        ["audit", "list"],
    ] {
        let help = program.run(command.iter().chain(&["--help"])).stdout;

        assert!(help.contains("[env: GRANTOR_ORG"), "{command:?}: {help}");
    }
}

/// Reads the help of a command, and that of each of its subcommands.
fn walk(program: &Program, path: &[&str], found: &mut Vec<String>) {
    let help = program.run(path.iter().chain(&["--help"]));
    assert_eq!((help.code, help.stderr.as_str()), (0, ""), "{path:?}");
    assert!(help.stdout.contains("Usage: grantor"), "{path:?}: {}", help.stdout);
    for british in ["organis", "authoris", "e-mail"] {
        assert!(!help.stdout.to_lowercase().contains(british), "{path:?}: {}", help.stdout);
    }
    let commands = help.stdout.split_once("\nCommands:\n").map_or("", |(_, commands)| commands);
    let lines = commands.lines().take_while(|line| !line.is_empty());
    // Further lines of a description are indented more.
    let names =
        lines.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    for name in names.filter_map(|line| line.split(' ').next()).filter(|name| *name != "help") {
        let path: Vec<&str> = path.iter().copied().chain([name]).collect();
        found.push(path.join(" "));
        walk(program, &path, found);
    }
}

#[test]
fn the_help_lists_the_exit_codes() {
    let help = Program::on_the_default_file().run(["--help"]);

    assert!(
        help.stdout.contains("Exit codes: 0 done, 1 failed, 2 wrong usage, 3 found a problem"),
        "{}",
        help.stdout
    );
}

#[test]
fn the_version_is_that_of_the_package() {
    let version = Program::on_the_default_file().run(["--version"]);

    assert_eq!(
        (version.code, version.stdout),
        (0, format!("grantor {}\n", env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn a_usage_error_exits_with_2_and_changes_nothing() {
    let program = Program::on_the_default_file();
    let cases: [&[&str]; 7] = [
        &["sevre"],
        &["org"],
        &["org", "create"],
        &["user", "create", "--org", "Acme", "--email", "a@example.com", "--role", "emperor"],
        &["key", "revoke", "not-an-id"],
        &["grant", "list", "--client", "not-an-id"],
        &["--output", "yaml", "org", "list"],
    ];

    for arguments in cases {
        let refused = program.run(arguments);

        assert_eq!(
            (refused.code, refused.stdout.as_str()),
            (2, ""),
            "{arguments:?}: {}",
            refused.stderr
        );
        assert!(!refused.stderr.is_empty(), "{arguments:?}");
    }
    assert!(!program.folder().join("data").exists());
}

#[test]
fn a_misspelled_command_suggests_the_nearest() {
    let refused = Program::on_the_default_file().run(["sevre"]);

    assert!(refused.stderr.contains("'serve'"), "{}", refused.stderr);
}

#[test]
fn command_names_of_other_servers_are_answered_with_ours() {
    let program = Program::on_the_default_file();
    let cases: [(&[&str], &str); 6] = [
        (&["--listen", "127.0.0.1:9000"], "did you mean '--set http.listen=127.0.0.1:8080'?"),
        (&["--listen=127.0.0.1:9000"], "did you mean '--set http.listen=127.0.0.1:8080'?"),
        (&["serve", "--port", "9000"], "did you mean '--set http.listen=127.0.0.1:8080'?"),
        (&["serve", "-p", "9000"], "did you mean '--set http.listen=127.0.0.1:8080'?"),
        (&["--database-url", "x"], "did you mean '--set database.url=postgres://…'?"),
        (&["start"], "a similar subcommand exists: 'serve'"),
    ];
    for (arguments, tip) in cases {
        let refused = program.run(arguments);

        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(
            refused.stderr.contains(&format!("  tip: {tip}")),
            "{arguments:?}: {}",
            refused.stderr
        );
    }
}
