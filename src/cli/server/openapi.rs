//! `grantor openapi`: prints the document that the server returns at `/openapi.json`.

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::config::Loaded;

pub fn run(loaded: Loaded) -> Result<(), Failure> {
    let document = crate::http::openapi_document(&loaded.config.http.public_url);
    output::line(&serde_json::to_string_pretty(&document).map_err(Failure::failed)?)
}
