//! What a reviewer sees of a version.

use crate::db::clients::versions::Version;
use crate::db::clients::{published, versions};
use crate::db::engine::Db;
use crate::db::engine::error::DbError;
use crate::rules::client::look_alike::look_alike_key;
use crate::rules::client::review::{Difference, ReviewFacts, differences, warnings};
use crate::rules::client::version::VersionState;

#[derive(Clone, Debug)]
pub struct Review {
    /// The published version, unless it is the one in question.
    pub before: Option<Version>,
    /// What to look at. Each is one sentence.
    pub warnings: Vec<String>,
}

impl Review {
    pub fn changes<'a>(before: Option<&'a Version>, version: &'a Version) -> Vec<Difference<'a>> {
        differences(before.map(|before| &before.snapshot), &version.snapshot)
    }
}

pub async fn review_of(db: &Db, version: &Version) -> Result<Review, DbError> {
    let private = version.private_client_id;
    let before = versions::find_in_state(db, private, VersionState::Published).await?;
    let key = look_alike_key(&version.snapshot.name);
    let resembles = published::find_look_alike(db, version.published_client_id, &key).await?;
    let facts = ReviewFacts {
        snapshot: &version.snapshot,
        scope_reasons: &version.scope_reasons,
        resembles: resembles.as_deref(),
        is_first_of_partner: versions::is_first_of_org(db, version.org_id, version.id).await?,
    };
    let before = before.filter(|before| before.id != version.id);
    Ok(Review { before, warnings: warnings(facts) })
}
