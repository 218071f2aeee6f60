//! `grantor openapi`.

use crate::support::Program;

#[test]
fn the_openapi_document_has_the_configured_base() {
    let program =
        Program::on_the_default_file().with("GRANTOR_HTTP__PUBLIC_URL", "https://grantor.example");

    let document = program.run(["openapi"]).json();

    assert_eq!(document["servers"][0]["url"], "https://grantor.example");
    assert!(document["paths"]["/api/v2/oauth2/register"]["post"].is_object());
}
