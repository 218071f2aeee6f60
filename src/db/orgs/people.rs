//! The people of an organization, in one list: members, former members, and people with an open
//! invitation.

use uuid::Uuid;

use crate::db::clients::like_pattern;
use crate::db::engine::column::{Column, count};
use crate::db::engine::error::DbError;
use crate::db::engine::{Db, DbHandle, with_conn};
use crate::db::orgs::memberships::role;
use crate::rules::id::{OrgId, UserId};
use crate::rules::identity::permission::Role;
use crate::rules::identity::person::{PersonOrder, PersonSort, PersonStatus};
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The id of the invitation while it is open.
    pub id: UserId,
    pub name: Option<String>,
    pub email: String,
    /// The role of a former member is the one that they had.
    pub role: Role,
    pub status: PersonStatus,
    /// When they joined the organization for the first time, or were invited.
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
    pub email_verified_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    name: Option<String>,
    email: String,
    role: String,
    status: String,
    created_at: i64,
    modified_at: i64,
    email_verified_at: Option<i64>,
}

impl TryFrom<Row> for Person {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let status = PersonStatus::parse(&row.status)
            .map_err(|cause| Column::of("people", "status").corrupt(cause))?;
        Ok(Self {
            id: UserId(row.id),
            name: row.name,
            email: row.email,
            role: role(&row.role)?,
            status,
            created_at: Timestamp::from_seconds(row.created_at),
            modified_at: Timestamp::from_seconds(row.modified_at),
            email_verified_at: row.email_verified_at.map(Timestamp::from_seconds),
        })
    }
}

/// Selects a page of people.
#[derive(Clone, Debug, Default)]
pub struct PersonFilter {
    /// A substring of the name or the address. Case is ignored.
    pub text: Option<String>,
    /// An empty list is everyone.
    pub statuses: Vec<PersonStatus>,
    /// Only members and invited people with this role.
    pub role: Option<Role>,
    pub sort: PersonSort,
    pub size: u32,
    /// The number of the page, starting at 0.
    pub number: u32,
}

/// A member is disabled if their membership ended or their account is disabled.
macro_rules! from_people {
    () => {
        " FROM (SELECT u.id, u.name, u.email, m.role, m.created_at,
                       CASE WHEN u.modified_at > coalesce(m.modified_at, m.created_at) THEN u.modified_at
                            ELSE coalesce(m.modified_at, m.created_at) END AS modified_at,
                       u.email_verified_at,
                       CASE WHEN m.disabled_at IS NULL AND u.disabled_at IS NULL THEN 'Active'
                            ELSE 'Disabled' END AS status,
                       m.disabled_at AS left_at
                  FROM memberships m JOIN users u ON u.id = m.user_id
                 WHERE m.org_id = $1
                UNION ALL
                SELECT i.id, i.name, i.email, i.role, i.created_at, i.created_at,
                       CAST(NULL AS BIGINT), 'Pending', CAST(NULL AS BIGINT)
                  FROM invitations i
                 WHERE i.org_id = $1 AND i.accepted_at IS NULL AND i.ended_at IS NULL) AS p"
    };
}

macro_rules! from_filtered {
    () => {
        concat!(
            from_people!(),
            " WHERE ($2 IS NULL OR lower(coalesce(p.name, '')) LIKE lower($2) ESCAPE '\\'
                     OR lower(p.email) LIKE lower($2) ESCAPE '\\')
                AND ($3 IS NULL OR $3 LIKE '%' || p.status || '%')
                AND ($4 IS NULL OR (p.role = $4 AND p.left_at IS NULL))"
        )
    };
}

macro_rules! select_people {
    () => {
        "SELECT p.id, p.name, p.email, p.role, p.status, p.created_at, p.modified_at,
                p.email_verified_at"
    };
}

macro_rules! list_by {
    ($order:literal) => {
        concat!(select_people!(), from_filtered!(), " ORDER BY ", $order, " LIMIT $5 OFFSET $6")
    };
}

const fn list_statement(sort: PersonSort) -> &'static str {
    match (sort.by, sort.descending) {
        (PersonOrder::Name, false) => list_by!("lower(coalesce(p.name, '')), p.email"),
        (PersonOrder::Name, true) => list_by!("lower(coalesce(p.name, '')) DESC, p.email DESC"),
        (PersonOrder::Email, false) => list_by!("p.email, p.id"),
        (PersonOrder::Email, true) => list_by!("p.email DESC, p.id DESC"),
        (PersonOrder::Status, false) => list_by!("p.status, p.email, p.id"),
        (PersonOrder::Status, true) => list_by!("p.status DESC, p.email DESC, p.id DESC"),
        (PersonOrder::CreatedAt, false) => list_by!("p.created_at, p.id"),
        (PersonOrder::CreatedAt, true) => list_by!("p.created_at DESC, p.id DESC"),
        (PersonOrder::ModifiedAt, false) => list_by!("p.modified_at, p.id"),
        (PersonOrder::ModifiedAt, true) => list_by!("p.modified_at DESC, p.id DESC"),
    }
}

/// A page of people. `total` counts all people of the organization, or all with the role of the
/// filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct People {
    pub page: Vec<Person>,
    pub total: u64,
    pub filtered: u64,
}

pub async fn list(db: &Db, org_id: OrgId, filter: &PersonFilter) -> Result<People, DbError> {
    let statement = list_statement(filter.sort);
    let (text, statuses) = (filter.text.as_deref().map(like_pattern), named(&filter.statuses));
    let rows: Vec<Row> = with_conn!(db, |conn| sqlx::query_as(statement)
        .bind(org_id.0)
        .bind(&text)
        .bind(&statuses)
        .bind(filter.role.map(Role::as_str))
        .bind(i64::from(filter.size))
        .bind(i64::from(filter.size) * i64::from(filter.number))
        .fetch_all(conn)
        .await)?;
    let all = PersonFilter { role: filter.role, ..PersonFilter::default() };
    Ok(People {
        page: rows.into_iter().map(Person::try_from).collect::<Result<_, _>>()?,
        total: count_filtered(db, org_id, &all).await?,
        filtered: count_filtered(db, org_id, filter).await?,
    })
}

async fn count_filtered(db: &Db, org_id: OrgId, filter: &PersonFilter) -> Result<u64, DbError> {
    let (text, statuses) = (filter.text.as_deref().map(like_pattern), named(&filter.statuses));
    let found: i64 =
        with_conn!(db, |conn| sqlx::query_scalar(concat!("SELECT count(*)", from_filtered!()))
            .bind(org_id.0)
            .bind(&text)
            .bind(&statuses)
            .bind(filter.role.map(Role::as_str))
            .fetch_one(conn)
            .await)?;
    Ok(count(found))
}

/// The statuses as one text. No status is part of the name of another one.
fn named(statuses: &[PersonStatus]) -> Option<String> {
    let names: Vec<&str> = statuses.iter().map(|status| status.as_str()).collect();
    (!names.is_empty()).then(|| names.join(","))
}

/// The number of members and invited people with each role.
pub async fn count_by_role(db: &Db, org_id: OrgId) -> Result<Vec<(Role, u64)>, DbError> {
    let mut counts = Vec::new();
    for role in Role::ALL {
        let filter = PersonFilter { role: Some(role), ..PersonFilter::default() };
        counts.push((role, count_filtered(db, org_id, &filter).await?));
    }
    Ok(counts)
}

pub async fn find(db: impl DbHandle, org_id: OrgId, id: UserId) -> Result<Option<Person>, DbError> {
    let row: Option<Row> = with_conn!(db, |conn| sqlx::query_as(concat!(
        select_people!(),
        from_people!(),
        " WHERE p.id = $2"
    ))
    .bind(org_id.0)
    .bind(id.0)
    .fetch_optional(conn)
    .await)?;
    row.map(Person::try_from).transpose()
}
