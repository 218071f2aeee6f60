//! `grantor app export` and `grantor app import`: the same app, with the same credentials, on several
//! sites.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::actions::audit::AuditActor;
use crate::actions::clients::transfer::{ExportedApp, export_app, import_app};
use crate::actions::context::Context;
use crate::cli::app::Target;
use crate::cli::arguments::org::OrgFlag;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::{Output, quoted};
use crate::rules::scope::catalog::ScopeCatalog;

#[derive(Debug, Args)]
pub struct ImportArguments {
    #[command(flatten)]
    org: OrgFlag,
    /// The file that `grantor app export` printed.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub async fn export(context: &Context, target: &Target) -> Result<(), Failure> {
    let (org, client) = target.find(context).await?;
    let exported = export_app(context, org.id, client.id).await.map_err(Failure::failed)?;
    let text = serde_json::to_string_pretty(&exported).map_err(Failure::failed)?;
    output::line(&text)
}

pub async fn import(
    context: &Context,
    catalog: &ScopeCatalog,
    arguments: ImportArguments,
    output: Output,
) -> Result<(), Failure> {
    let org = arguments.org.find(context).await?;
    let path = arguments.file.display().to_string();
    let text = std::fs::read_to_string(&arguments.file)
        .map_err(|error| Failure::failed(format!("cannot read {path}: {error}")))?;
    let exported: ExportedApp = serde_json::from_str(&text).map_err(|error| {
        Failure::failed(format!("{path} is not a file of `grantor app export`: {error}"))
    })?;
    let by = &AuditActor::COMMAND_LINE;
    let imported = import_app(context, org.id, &exported, catalog, by).await;
    let client = imported.map_err(Failure::failed)?;
    let shown = json!({
        "id": client.id,
        "org": org.name,
        "published_client": client.pair.published,
    });
    output::item(output, &shown, || {
        let name = quoted(client.metadata.client_name().as_str());
        format!("{name} ({}) belongs to {} on this site too.", client.id, quoted(&org.name))
    })
}
