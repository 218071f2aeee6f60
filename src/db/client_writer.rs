//! Group commit: registrations that arrive together are written by one statement and one commit.
//!
//! One task takes whatever is waiting, so there is no added wait when it is idle, and each caller is answered only after
//! the commit that holds its row. The queue is bounded; a caller that finds it full, or waits longer than
//! [`PATIENCE`], is told to come back.
//!
//! A batch is deduplicated and sorted by id, so that batches of several replicas lock rows in one order. Where nobody
//! knows whether a commit happened, the same statement runs again, which inserts nothing twice. Where a row is at fault,
//! each row is tried alone, so that one caller's row cannot fail another's.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::clients::{self, NewClient, Sighting};
use super::known_clients::FRESH_FOR;
use super::{Db, DbError};
use crate::oauth::Timestamp;
use crate::oauth::client::ClientId;
use crate::oauth::client_identity::ClientDigest;

const ROWS_A_COMMIT: usize = 256;
const PATIENCE: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// What became of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    New,
    /// The same client again. `counted` is false where a sighting was written within the hour.
    Known {
        registered_at: Timestamp,
        last_seen_at: Timestamp,
        counted: bool,
    },
    /// The id belongs to a client with other metadata: two digests met in 122 bits.
    Taken,
}

/// Cheap to clone; the task ends when the last clone is gone.
#[derive(Clone, Debug)]
pub struct ClientWriter {
    queue: mpsc::Sender<Job>,
}

#[derive(Debug)]
struct Job {
    client: NewClient,
    answer: Caller,
}

impl ClientWriter {
    pub fn start(db: Db, queue_length: usize) -> Self {
        let (queue, waiting) = mpsc::channel(queue_length.max(1));
        tokio::spawn(commit_what_waits(db, waiting));
        Self { queue }
    }

    pub async fn write(&self, client: NewClient) -> Result<Written, DbError> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Job { client, answer }).map_err(|_| DbError::QueueFull)?;
        match timeout(PATIENCE, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(DbError::TimedOut),
        }
    }

    /// How many registrations wait for their commit.
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

async fn commit_what_waits(db: Db, mut waiting: mpsc::Receiver<Job>) {
    let mut batch = Vec::with_capacity(ROWS_A_COMMIT);
    while waiting.recv_many(&mut batch, ROWS_A_COMMIT).await > 0 {
        // Whoever gave up waiting was told so; writing the row now would only cost those who still wait.
        batch.retain(|job| !job.answer.is_closed());
        commit(&db, std::mem::take(&mut batch)).await;
    }
}

/// One row, and everyone who waits for it: tools that start together register together.
struct Group {
    row: NewClient,
    callers: Vec<(ClientDigest, Caller)>,
}

type Caller = oneshot::Sender<Result<Written, DbError>>;
type Groups = BTreeMap<ClientId, Group>;

async fn commit(db: &Db, jobs: Vec<Job>) {
    let groups = by_id(jobs);
    match write_until_known(db, &rows(&groups)).await {
        Ok(outcomes) => answer_all(groups, &outcomes),
        Err(error) if error.is_transient() || groups.len() <= 1 => refuse_all(groups, error),
        Err(_) => {
            for group in groups {
                let group = Groups::from([group]);
                match write_until_known(db, &rows(&group)).await {
                    Ok(outcomes) => answer_all(group, &outcomes),
                    Err(error) => refuse_all(group, error),
                }
            }
        }
    }
}

fn rows(groups: &Groups) -> Vec<&NewClient> {
    groups.values().map(|group| &group.row).collect()
}

fn by_id(jobs: Vec<Job>) -> Groups {
    let mut groups = Groups::new();
    for Job { client, answer } in jobs {
        let (digest, registrations) = (client.digest, client.registrations);
        let fresh = Group { row: NewClient { registrations: 0, ..client }, callers: Vec::new() };
        let group = groups.entry(fresh.row.id).or_insert(fresh);
        if digest == group.row.digest {
            group.row.registrations += registrations;
        }
        group.callers.push((digest, answer));
    }
    groups
}

/// Again and again, as long as callers wait, where the database's state was the cause and not the rows.
async fn write_until_known(db: &Db, rows: &[&NewClient]) -> Result<HashMap<ClientId, Written>, DbError> {
    let give_up_at = Instant::now() + PATIENCE;
    let mut pause = FIRST_PAUSE;
    loop {
        match write_once(db, rows).await {
            Err(DbError::ConnectionLost(_) | DbError::Conflict(_)) if Instant::now() + pause < give_up_at => {
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
    let inserted = clients::insert_new(db, rows).await?;
    let mut outcomes: HashMap<ClientId, Written> = inserted.into_iter().map(|id| (id, Written::New)).collect();
    if outcomes.len() == rows.len() {
        return Ok(outcomes);
    }
    let known: Vec<&NewClient> = rows.iter().copied().filter(|row| !outcomes.contains_key(&row.id)).collect();
    see_again(db, &known, &mut outcomes).await?;
    Ok(outcomes)
}

/// Clients whose id was there already: the same ones again, or others that own the id.
async fn see_again(db: &Db, rows: &[&NewClient], outcomes: &mut HashMap<ClientId, Written>) -> Result<(), DbError> {
    let ids: Vec<ClientId> = rows.iter().map(|row| row.id).collect();
    let sightings = clients::list_sightings(db, &ids).await?;
    let sightings: HashMap<ClientId, Sighting> = sightings.into_iter().map(|seen| (seen.id, seen)).collect();
    let is_stale = |row: &&&NewClient| {
        sightings
            .get(&row.id)
            .is_some_and(|seen| seen.digest == row.digest && row.seen_at.seconds_since(seen.last_seen_at) >= FRESH_FOR)
    };
    let stale: Vec<&NewClient> = rows.iter().filter(is_stale).copied().collect();
    let counted = match stale.is_empty() {
        true => Vec::new(),
        false => clients::count_registrations(db, &stale, FRESH_FOR).await?,
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

/// The first of a group gets what the database said; the others are the same client again, or another's.
fn answer_all(groups: Groups, outcomes: &HashMap<ClientId, Written>) {
    for (id, Group { row, callers }) in groups {
        for (position, (digest, caller)) in callers.into_iter().enumerate() {
            let answer = match outcomes.get(&id) {
                _ if digest != row.digest => Ok(Written::Taken),
                Some(Written::New) if position > 0 => {
                    Ok(Written::Known { registered_at: row.seen_at, last_seen_at: row.seen_at, counted: true })
                }
                Some(outcome) => Ok(*outcome),
                // It was there at the insert and gone at the read: forgotten in between. Another try will insert it.
                None => Err(DbError::TimedOut),
            };
            // A caller that is gone needs no answer.
            let _ = caller.send(answer);
        }
    }
}

fn refuse_all(groups: Groups, error: DbError) {
    let error = Arc::new(error);
    for (_, caller) in groups.into_values().flat_map(|group| group.callers) {
        let _ = caller.send(Err(DbError::Shared(Arc::clone(&error))));
    }
}
