//! Fills this server's database with clients, and with the organizations, users, grants, consents
//! and token families that belong to them.
//!
//! Some of the rows are active: the requests of the benchmark use them. They are spread evenly over
//! the tables, so that the requests read all parts of them. Each table is filled by one statement,
//! and foreign keys are not checked, so that millions of clients take minutes.

use std::time::Instant;

use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::people;
use crate::token_server::REDIRECT_URI;

/// The number of active grants, and of restricted clients whose restriction is read.
pub const ACTIVE: u64 = 10_000;
const ORGS: u64 = 1_000;
/// All grants and families have these scopes. The server writes them in this order.
const SCOPES: &str = r#"["email", "openid", "profile"]"#;
const RESTRICTION: &str =
    r#"{"oidc_scopes": ["openid", "email"], "permission_scopes": ["dashboards_read"]}"#;

/// The database to fill.
pub struct Filling<'a> {
    pub cluster: &'a Cluster,
    pub database: &'a str,
    /// The organization that restricts the active clients. Half of the users are members.
    pub org: &'a str,
    /// The client of the active grants. The metadata of all clients is like that of this one, and
    /// all families are like its only one.
    pub client: &'a str,
    /// The resource of all tokens.
    pub api: &'a str,
}

/// The rows that the requests use, in random order.
pub struct Active {
    pub grants: Vec<String>,
    pub refresh_tokens: Vec<String>,
    pub restricted_clients: Vec<String>,
}

impl Filling<'_> {
    /// Inserts this many clients besides the active ones.
    pub fn fill(&self, clients: u64) -> Result<Active, Failure> {
        self.number_rows(clients + ACTIVE)?;
        self.insert_orgs_and_users(clients + ACTIVE)?;
        self.insert_clients()?;
        self.insert_grants()?;
        self.insert_families()?;
        let active = Active {
            grants: self.list_active("grant_id")?,
            refresh_tokens: self.list_active(REFRESH_TOKEN)?,
            restricted_clients: self.list_active("own_client_id")?,
        };
        self.run("removing the list of rows", "DROP TABLE filling")?;
        self.run("vacuum", "VACUUM ANALYZE")?;
        self.run("checkpoint", "CHECKPOINT")?;
        Ok(active)
    }

    /// The size of the database in gigabytes.
    pub fn gigabytes(&self) -> Result<f64, Failure> {
        let printed =
            self.cluster.sql(self.database, "SELECT pg_database_size(current_database())")?;
        let bytes: f64 = printed
            .trim()
            .parse()
            .map_err(|_| Failure::Unexpected { what: "a database's size", came: printed })?;
        Ok(bytes / 1_073_741_824.0)
    }

    /// Lists the grants with the ids of their rows. Each row has a client of its own. An active grant
    /// is for the client of the requests instead, and its own client only has a restriction.
    fn number_rows(&self, rows: u64) -> Result<(), Failure> {
        let Self { org, client, .. } = self;
        let people = count_users(rows);
        let own_client = "md5('client ' || n)::uuid";
        let member = small_org("person / 2");
        let (user, grant, family) = (
            time_ordered("user", "person"),
            time_ordered("grant", "n"),
            time_ordered("family", "n"),
        );
        self.run(
            "list of rows",
            &format!(
                "CREATE UNLOGGED TABLE filling AS
                 WITH numbered AS (
                   SELECT n, n * {ACTIVE} / {rows} AS active, (n + 1) * {ACTIVE} / {rows} AS next_active
                     FROM generate_series(0::bigint, {rows} - 1) n
                 ), peopled AS (
                   SELECT n, active <> next_active AS is_active,
                          CASE WHEN active <> next_active THEN active * {people} / {ACTIVE} ELSE n / 3 END AS person
                     FROM numbered
                 )
                 SELECT n, is_active, {own_client} AS own_client_id,
                        CASE WHEN is_active THEN '{client}' ELSE {own_client} END AS client_id,
                        {user} AS user_id, CASE WHEN person % 2 = 0 THEN '{org}' ELSE {member} END AS org_id,
                        {grant} AS grant_id, {family} AS family_id
                   FROM peopled"
            ),
        )
    }

    fn insert_orgs_and_users(&self, rows: u64) -> Result<(), Failure> {
        let (org, people, now) = (self.org, count_users(rows), people::now());
        let user = time_ordered("user", "person");
        let (small_org, of_member) = (small_org("n"), small_org("person / 2"));
        self.insert(
            "organizations",
            &format!(
                "INSERT INTO orgs (id, name, created_at)
                 SELECT {small_org}, 'Organization ' || n, {now} FROM generate_series(0::bigint, {ORGS} - 1) n"
            ),
        )?;
        // As long as the hash of a password, but no password matches it.
        self.insert(
            "users",
            &format!(
                "INSERT INTO users (id, email, password_hash, created_at)
                 SELECT {user}, 'user-' || person || '@example.com', repeat('-', 96), {now}
                   FROM generate_series(0::bigint, {people} - 1) person"
            ),
        )?;
        self.insert(
            "memberships",
            &format!(
                "INSERT INTO memberships (org_id, user_id, role, created_at)
                 SELECT CASE WHEN person % 2 = 0 THEN '{org}' ELSE {of_member} END, {user}, 'standard', {now}
                   FROM generate_series(0::bigint, {people} - 1) person"
            ),
        )
    }

    /// Inserts the clients, and what the organizations decided about them. Restrictions of active
    /// clients belong to one organization, because the requests have its keys.
    fn insert_clients(&self) -> Result<(), Failure> {
        let Self { org, client, .. } = self;
        let now = people::now();
        self.insert(
            "clients",
            &format!(
                "INSERT INTO clients
                   (id, digest, client_name, metadata, registered_at, last_seen_at, registrations, adopted_at)
                 SELECT f.own_client_id, sha256(f.own_client_id::text::bytea), 'Client ' || f.n,
                        c.metadata || jsonb_build_object('client_name', 'Client ' || f.n),
                        {now}, {now}, 1 + f.n % 20, {now}
                   FROM filling f, clients c WHERE c.id = '{client}'"
            ),
        )?;
        let (authorized, also_authorized) =
            (time_ordered("authorized", "n"), time_ordered("also", "n"));
        let small_org = small_org("n");
        self.insert(
            "organizations' clients",
            &format!(
                "INSERT INTO org_clients
                   (org_id, client_id, changed_at, scopes_restriction, authorized_id, first_authorized_at)
                 SELECT CASE WHEN is_active THEN '{org}' ELSE org_id END, own_client_id, {now},
                        CASE WHEN is_active OR n % 10 = 0 THEN '{RESTRICTION}'::jsonb END,
                        CASE WHEN NOT is_active THEN {authorized} END, CASE WHEN NOT is_active THEN {now} END
                   FROM filling;
                 INSERT INTO org_clients (org_id, client_id, changed_at, authorized_id, first_authorized_at)
                 SELECT {small_org}, '{client}', {now}, {also_authorized}, {now}
                   FROM generate_series(0::bigint, {ORGS} - 1) n"
            ),
        )
    }

    fn insert_grants(&self) -> Result<(), Failure> {
        let (api, now) = (self.api, people::now());
        self.insert(
            "grants",
            &format!(
                "INSERT INTO grants
                   (id, org_id, client_id, user_id, consent_digest, consented_at, created_at, modified_at)
                 SELECT grant_id, org_id, client_id, user_id, sha256(n::text::bytea), {now}, {now}, {now}
                   FROM filling"
            ),
        )?;
        self.insert(
            "granted scopes",
            &format!(
                "INSERT INTO grant_scopes (grant_id, scope)
                 SELECT grant_id, jsonb_array_elements_text('{SCOPES}') FROM filling"
            ),
        )?;
        self.insert(
            "remembered consents",
            &format!(
                "INSERT INTO consents (grant_id, redirect_uri, resource, scopes)
                 SELECT grant_id, '{REDIRECT_URI}', '{api}', '{SCOPES}'::jsonb FROM filling"
            ),
        )
    }

    fn insert_families(&self) -> Result<(), Failure> {
        let (api, client, now) = (self.api, self.client, people::now());
        self.insert(
            "token families",
            &format!(
                "INSERT INTO families
                   (id, grant_id, org_id, client_id, user_id, scopes, resources, signed_in_at, created_at, key_id,
                    sequence, current_digest, rotated_at, ends_at, last_used_at, forget_at)
                 SELECT family_id, grant_id, org_id, client_id, user_id, '{SCOPES}'::jsonb,
                        jsonb_build_array('{api}'), {now}, {now}, first.key_id,
                        0, sha256({REFRESH_TOKEN}::bytea), {now}, first.ends_at, {now}, first.forget_at
                   FROM filling,
                        (SELECT key_id, ends_at, forget_at FROM families WHERE client_id = '{client}' LIMIT 1) AS first"
            ),
        )
    }

    fn list_active(&self, expression: &str) -> Result<Vec<String>, Failure> {
        let statement =
            format!("SELECT {expression} FROM filling WHERE is_active ORDER BY md5(n::text)");
        let printed = self.cluster.sql(self.database, &statement)?;
        let listed: Vec<String> = printed.lines().map(str::to_owned).collect();
        if listed.len() as u64 == ACTIVE {
            return Ok(listed);
        }
        Err(Failure::Unexpected {
            what: "as many rows as are active",
            came: format!("{} rows", listed.len()),
        })
    }

    /// Inserts consistent rows without checking their foreign keys.
    fn insert(&self, what: &str, statement: &str) -> Result<(), Failure> {
        self.run(what, &format!("SET session_replication_role = replica; {statement}"))
    }

    fn run(&self, what: &str, statement: &str) -> Result<(), Failure> {
        let began = Instant::now();
        self.cluster.sql(self.database, statement)?;
        eprintln!("{:<15} {what:<26} {:>6.1} s", self.database, began.elapsed().as_secs_f64());
        Ok(())
    }
}

/// The number of users. Most of them have three grants.
fn count_users(rows: u64) -> u64 {
    ACTIVE.max(rows / 3 + 1)
}

/// The id of one of the organizations.
fn small_org(number: &str) -> String {
    format!("md5('org ' || ({number}) % {ORGS})::uuid")
}

/// A UUIDv7 (RFC 9562 section 5.7). The numbers take the place of the time, so the order of the ids
/// is that of the numbers.
fn time_ordered(kind: &str, number: &str) -> String {
    const MILLIS: u64 = 1_700_000_000_000;
    format!(
        "overlay(overlay(md5('{kind} ' || {number}) PLACING lpad(to_hex({MILLIS} + {number}), 12, '0') || '7' FROM 1)
                 PLACING '8' FROM 17)::uuid"
    )
}

/// A refresh token of a family: `rt_` and the family, the sequence number, the seed and the tag in
/// base64url. The tag is not one of this server, which does not matter: a current token is
/// recognized by its digest.
const REFRESH_TOKEN: &str = "\
    ('rt_' || translate(encode(uuid_send(family_id) || '\\x00000000'::bytea
       || substr(sha256(uuid_send(family_id)), 1, 16) || sha256(uuid_send(family_id)), 'base64'),
       '+/=' || chr(10), '-_'))";
