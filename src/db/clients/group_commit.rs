//! Group commit: concurrent registrations are written by one statement and one commit.
//!
//! A batch is deduplicated and sorted by id, so that batches of several replicas lock rows in the
//! same order. If it is unknown whether a commit took effect, the same statement runs again, which
//! inserts nothing twice. If a row causes an error, each row is written separately, so that the row
//! of one caller cannot fail the others.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use crate::db::clients::known::FRESH_FOR;
use crate::db::clients::registrations;
use crate::db::clients::registrations::{NewClient, Sighting};
use crate::db::engine::Db;
use crate::db::engine::batching::{Batcher, CALLER_TIMEOUT, fail_all};
use crate::db::engine::error::DbError;
use crate::rules::client::ClientId;
use crate::rules::client::identity::ClientDigest;
use crate::rules::timestamp::Timestamp;

const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The outcome of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    New,
    /// The client is already registered. `counted` is false if it was last updated within an hour.
    Known {
        registered_at: Timestamp,
        last_seen_at: Timestamp,
        counted: bool,
    },
    /// The id belongs to a client with different metadata: two digests have the same 122 bits.
    Taken,
}

/// The queue of registrations. It is cheap to clone; its task ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct ClientWriter {
    queue: Batcher<NewClient, Written>,
}

impl ClientWriter {
    pub fn start(db: Db, queue_length: usize) -> Self {
        // Only one commit at a time, because a second one could wait for rows of the first.
        Self { queue: Batcher::start(queue_length, 1, move |clients| commit(db.clone(), clients)) }
    }

    pub async fn write(&self, client: NewClient) -> Result<Written, DbError> {
        self.queue.submit(client).await
    }

    /// The number of registrations that wait for their commit.
    pub fn waiting(&self) -> usize {
        self.queue.queued()
    }
}

/// A row and all its callers. Several instances of a tool that start at the same time register the
/// same client.
struct Group {
    row: NewClient,
    callers: Vec<Caller>,
}

struct Caller {
    position: usize,
    digest: ClientDigest,
}

type Groups = BTreeMap<ClientId, Group>;
type Answers = Vec<(usize, Result<Written, DbError>)>;

/// Returns one answer per client, in the same order.
async fn commit(db: Db, clients: Vec<NewClient>) -> Vec<Result<Written, DbError>> {
    let mut answers = answers(&db, by_id(clients)).await;
    answers.sort_by_key(|(position, _)| *position);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

async fn answers(db: &Db, groups: Groups) -> Answers {
    match write_with_retries(db, &rows(&groups)).await {
        Ok(outcomes) => assign_answers(groups, &outcomes),
        Err(error) if error.is_transient() || groups.len() <= 1 => fail(groups, error),
        Err(_) => {
            let mut answers = Answers::new();
            for group in groups {
                let group = Groups::from([group]);
                answers.extend(match write_with_retries(db, &rows(&group)).await {
                    Ok(outcomes) => assign_answers(group, &outcomes),
                    Err(error) => fail(group, error),
                });
            }
            answers
        }
    }
}

fn rows(groups: &Groups) -> Vec<&NewClient> {
    groups.values().map(|group| &group.row).collect()
}

fn by_id(clients: Vec<NewClient>) -> Groups {
    let mut groups = Groups::new();
    for (position, client) in clients.into_iter().enumerate() {
        let digest = client.digest;
        let registrations = client.registrations;
        let fresh = Group { row: NewClient { registrations: 0, ..client }, callers: Vec::new() };
        let group = groups.entry(fresh.row.id).or_insert(fresh);
        if digest == group.row.digest {
            group.row.registrations += registrations;
        }
        group.callers.push(Caller { position, digest });
    }
    groups
}

/// Retries while the callers wait, if the cause of an error is the state of the database and not
/// the rows.
async fn write_with_retries(
    db: &Db,
    rows: &[&NewClient],
) -> Result<HashMap<ClientId, Written>, DbError> {
    let give_up_at = Instant::now() + CALLER_TIMEOUT;
    let mut pause = FIRST_PAUSE;
    loop {
        match write_once(db, rows).await {
            Err(DbError::ConnectionLost(_) | DbError::Conflict(_))
                if Instant::now() + pause < give_up_at =>
            {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            outcome => return outcome,
        }
    }
}

async fn write_once(db: &Db, rows: &[&NewClient]) -> Result<HashMap<ClientId, Written>, DbError> {
    if rows.is_empty() {
        return Ok(HashMap::new());
    }
    let inserted = registrations::insert_new(db, rows).await?;
    let mut outcomes: HashMap<ClientId, Written> =
        inserted.into_iter().map(|id| (id, Written::New)).collect();
    if outcomes.len() == rows.len() {
        return Ok(outcomes);
    }
    let known: Vec<&NewClient> =
        rows.iter().copied().filter(|row| !outcomes.contains_key(&row.id)).collect();
    update_known(db, &known, &mut outcomes).await?;
    Ok(outcomes)
}

/// Handles rows whose id already exists: known clients, or different clients with the same id.
async fn update_known(
    db: &Db,
    rows: &[&NewClient],
    outcomes: &mut HashMap<ClientId, Written>,
) -> Result<(), DbError> {
    let ids: Vec<ClientId> = rows.iter().map(|row| row.id).collect();
    let sightings = registrations::list_sightings(db, &ids).await?;
    let sightings: HashMap<ClientId, Sighting> =
        sightings.into_iter().map(|seen| (seen.id, seen)).collect();
    let is_stale = |row: &&&NewClient| {
        sightings.get(&row.id).is_some_and(|seen| {
            seen.digest == row.digest && row.seen_at.seconds_since(seen.last_seen_at) >= FRESH_FOR
        })
    };
    let stale: Vec<&NewClient> = rows.iter().filter(is_stale).copied().collect();
    let counted = match stale.is_empty() {
        true => Vec::new(),
        false => registrations::count_registrations(db, &stale, FRESH_FOR).await?,
    };
    for row in rows {
        let Some(seen) = sightings.get(&row.id) else { continue };
        let known = Written::Known {
            registered_at: seen.registered_at,
            last_seen_at: seen.last_seen_at,
            counted: counted.contains(&row.id),
        };
        outcomes.insert(row.id, if seen.digest == row.digest { known } else { Written::Taken });
    }
    Ok(())
}

/// The first caller of a group gets the outcome of the row. The others get the same known client,
/// or [`Written::Taken`] if their metadata differs.
fn assign_answers(groups: Groups, outcomes: &HashMap<ClientId, Written>) -> Answers {
    let mut answers = Answers::new();
    for (id, Group { row, callers }) in groups {
        for (nth, Caller { position, digest }) in callers.into_iter().enumerate() {
            let answer = match outcomes.get(&id) {
                _ if digest != row.digest => Ok(Written::Taken),
                Some(Written::New) if nth > 0 => Ok(Written::Known {
                    registered_at: row.seen_at,
                    last_seen_at: row.seen_at,
                    counted: true,
                }),
                Some(outcome) => Ok(*outcome),
                // The row existed at the insert and was deleted before the read. A retry will
                // insert it.
                None => Err(DbError::TimedOut),
            };
            answers.push((position, answer));
        }
    }
    answers
}

fn fail(groups: Groups, error: DbError) -> Answers {
    let positions: Vec<usize> = groups
        .into_values()
        .flat_map(|group| group.callers)
        .map(|caller| caller.position)
        .collect();
    let failed = fail_all(positions.len(), error);
    positions.into_iter().zip(failed).collect()
}
