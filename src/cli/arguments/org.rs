//! Finds the organization that a command names.

use clap::Args;

use crate::actions::context::Context;
use crate::cli::failure::Failure;
use crate::cli::output::{listed, quoted};
use crate::db::orgs;
use crate::db::orgs::Org;
use crate::rules::id::OrgId;

/// The organization of `grantor selftest`. It is kept, without users, because audit events refer to
/// it.
pub const SELFTEST_ORG: &str = "grantor selftest";

/// Maximum number of names that an error lists.
const MAX_LISTED: usize = 10;

/// The organization of a command that works inside one.
#[derive(Debug, Args)]
pub struct OrgFlag {
    /// Name of the organization. Optional if there is only one.
    #[arg(long, value_name = "NAME", env = "GRANTOR_ORG", hide_env_values = true)]
    org: Option<String>,
}

/// The organization of a list that can cover all of them.
#[derive(Debug, Args)]
pub struct OrgFilter {
    /// Only this organization.
    #[arg(long, value_name = "NAME", env = "GRANTOR_ORG", hide_env_values = true)]
    org: Option<String>,
}

impl OrgFlag {
    /// The named organization, or the only one.
    pub async fn find(&self, context: &Context) -> Result<Org, Failure> {
        match name_in(self.org.as_ref()) {
            Some(name) => find_org(context, name).await,
            None => only_org(context).await,
        }
    }
}

impl OrgFilter {
    pub async fn find(&self, context: &Context) -> Result<Option<OrgId>, Failure> {
        match name_in(self.org.as_ref()) {
            Some(name) => find_org(context, name).await.map(|org| Some(org.id)),
            None => Ok(None),
        }
    }
}

/// An empty variable counts as unset.
fn name_in(named: Option<&String>) -> Option<&str> {
    named.map(String::as_str).filter(|name| !name.is_empty())
}

/// The organization with this name.
pub async fn find_org(context: &Context, name: &str) -> Result<Org, Failure> {
    let none = || {
        Failure::Failed(format!(
            "no organization is named {}; `grantor org list` lists all",
            quoted(name)
        ))
    };
    orgs::find_by_name(&context.db, name).await?.ok_or_else(none)
}

async fn only_org(context: &Context) -> Result<Org, Failure> {
    let mut orgs = orgs::list(&context.db).await?;
    orgs.retain(|org| org.name != SELFTEST_ORG);
    if orgs.len() > 1 {
        let names = listed(orgs.iter().map(|org| quoted(&org.name)), MAX_LISTED);
        let count = orgs.len();
        return Err(Failure::Usage(format!(
            "there are {count} organizations: {names}. Name one with --org or in GRANTOR_ORG"
        )));
    }
    let none =
        "there is no organization yet; `grantor bootstrap --org NAME --email EMAIL` creates one";
    orgs.pop().ok_or_else(|| Failure::Failed(none.to_owned()))
}
