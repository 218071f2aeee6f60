//! `grantor user list`.

use crate::support::{Engine, Program};

#[tokio::test]
async fn a_printed_table_has_one_line_per_row() {
    let program = Program::on(Engine::Sqlite).await;
    program.bootstrap();

    let table = program.run(["user", "list"]);

    let lines: Vec<&str> = table.succeeded().lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let heading: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(heading, ["ID", "EMAIL", "ORG", "ROLE", "DISABLED", "AT"]);
}
