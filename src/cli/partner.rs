//! `grantor partner`: organizations whose apps may be published.

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use crate::actions::audit::AuditActor;
use crate::actions::partners::change_partner::{PartnerTerms, change_partner};
use crate::actions::partners::end_partner::end_partner;
use crate::cli::arguments::org::OrgFlag;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, Page, quoted};
use crate::cli::runtime::block_on;
use crate::cli::{database, output};
use crate::config::Loaded;
use crate::db::partners;
use crate::db::partners::Partner;
use crate::rules::id::OrgId;
use crate::rules::scope::ScopeSet;
use crate::rules::scope::catalog::ScopeCatalog;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Approve an organization as a partner, or replace what it may do as one.
    Approve {
        #[command(flatten)]
        org: OrgFlag,
        /// A private scope that its apps may request. Can be repeated.
        #[arg(long = "private-scope", value_name = "SCOPE", value_delimiter = ',')]
        private_scopes: Vec<String>,
        /// A note for the reviewers.
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// List the partners by name.
    List {
        /// Maximum number of rows.
        #[arg(long, value_name = "NUMBER", default_value_t = 100)]
        limit: u32,
    },
    /// End a partnership. Published apps keep working, without private scopes.
    End {
        #[command(flatten)]
        org: OrgFlag,
    },
}

#[derive(Serialize)]
struct PartnerRow {
    id: OrgId,
    org: String,
    private_scopes: ScopeSet,
    note: Option<String>,
    approved_at: String,
}

impl From<Partner> for PartnerRow {
    fn from(partner: Partner) -> Self {
        Self {
            id: partner.org_id,
            org: partner.org_name,
            private_scopes: partner.private_scopes,
            note: partner.note,
            approved_at: partner.approved_at.to_rfc3339(),
        }
    }
}

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    block_on(async {
        let context = database::open(&loaded.config).await?;
        let by = &AuditActor::COMMAND_LINE;
        match command {
            Command::Approve { org, private_scopes, note } => {
                let org = org.find(&context).await?;
                let private_scopes = parse_scopes(&private_scopes, &loaded.catalog)?;
                let terms = PartnerTerms { private_scopes, note };
                let partner =
                    change_partner(&context, org.id, &terms, by).await.map_err(Failure::failed)?;
                let row = PartnerRow::from(partner);
                output::item(output, &row, || {
                    let org = quoted(&row.org);
                    match row.private_scopes.is_empty() {
                        true => format!("{org} is an approved partner."),
                        false => format!(
                            "{org} is an approved partner. Its apps may request {}.",
                            row.private_scopes.in_words()
                        ),
                    }
                })
            }
            Command::List { limit } => {
                let (found, _) = partners::list(&context.db, limit.saturating_add(1), 0).await?;
                let rows: Vec<PartnerRow> = found.into_iter().map(PartnerRow::from).collect();
                let page = Page::of(rows, limit);
                let columns = ["id", "org", "private_scopes", "note", "approved_at"];
                output::list(output, &page.items, &columns)?;
                page.note_if_more(output);
                Ok(())
            }
            Command::End { org } => {
                let org = org.find(&context).await?;
                end_partner(&context, org.id, by).await.map_err(Failure::failed)?;
                output::item(output, &json!({"id": org.id, "org": org.name, "ended": true}), || {
                    format!(
                        "{} is no longer a partner. Its published apps keep working, without private scopes.",
                        quoted(&org.name)
                    )
                })
            }
        }
    })
}

fn parse_scopes(names: &[String], catalog: &ScopeCatalog) -> Result<ScopeSet, Failure> {
    let scope = |name: &String| {
        let known = catalog.find(name).filter(|scope| scope.private);
        known.map(|scope| scope.name.clone()).ok_or_else(|| {
            Failure::Usage(format!("{} is not a private scope of the catalog", quoted(name)))
        })
    };
    names.iter().map(scope).collect()
}
