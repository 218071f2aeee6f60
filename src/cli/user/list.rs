//! `grantor user list`: lists members.

use serde::Serialize;

use crate::actions::context::Context;
use crate::cli::arguments::org::OrgFilter;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::Output;
use crate::db::orgs::memberships;
use crate::db::orgs::memberships::Membership;
use crate::rules::id::UserId;

#[derive(Serialize)]
struct MemberRow {
    id: UserId,
    email: String,
    org: String,
    role: &'static str,
    disabled_at: Option<String>,
    left_at: Option<String>,
}

impl From<Membership> for MemberRow {
    fn from(member: Membership) -> Self {
        Self {
            id: member.user_id,
            email: member.email,
            org: member.org_name,
            role: member.role.as_str(),
            disabled_at: member.disabled_at.map(|at| at.to_rfc3339()),
            left_at: member.left_at.map(|at| at.to_rfc3339()),
        }
    }
}

pub async fn list(
    context: &Context,
    org: &OrgFilter,
    all: bool,
    output: Output,
) -> Result<(), Failure> {
    let org_id = org.find(context).await?;
    let members = memberships::list(&context.db, org_id).await?;
    let members = members.into_iter().filter(|member| all || member.left_at.is_none());
    let shown: Vec<MemberRow> = members.map(MemberRow::from).collect();
    let columns = ["id", "email", "org", "role", "disabled_at", "left_at"];
    output::list(output, &shown, &columns[..columns.len() - usize::from(!all)])
}
