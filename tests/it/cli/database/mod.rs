//! Commands about the database as a whole, and the database that every command needs.

mod backup;
mod migrate;
mod restore;

use std::os::unix::fs::PermissionsExt as _;

use crate::support::Program;

#[tokio::test]
async fn a_database_file_and_its_companions_are_private() {
    let program =
        Program::on_the_default_file().with("GRANTOR_DATABASE__URL", "sqlite:elsewhere.db");
    let _server = program.start();

    for name in ["elsewhere.db", "elsewhere.db-wal", "elsewhere.db-shm"] {
        let mode =
            std::fs::metadata(program.folder().join(name)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_command_reports_a_missing_database_and_does_not_create_one() {
    let program = Program::on_the_default_file();

    let refused = program.run(["user", "list"]);

    refused.failed(
        1,
        "there is no database at data/grantor.db (`database.url`; a relative path starts at the current \
         folder): run this command in the folder of the server and with its settings, or start the server once",
    );
    assert!(!program.folder().join("data").exists());
}
