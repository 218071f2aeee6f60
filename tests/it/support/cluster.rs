//! The Postgres of the tests: the one of `TEST_DATABASE_URL`, or a temporary cluster of this test
//! run. The cluster ends with the test process: a small shell waits until its standard input is
//! closed, then stops the server and removes the folder.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use super::port::Port;

static CLUSTER: OnceLock<Cluster> = OnceLock::new();

struct Cluster {
    url: String,
    /// Keeps the cluster running: the pipe to the shell, and the port.
    _own: Option<(Child, Port)>,
}

pub fn postgres_url() -> &'static str {
    &CLUSTER.get_or_init(Cluster::find_or_start).url
}

/// An empty schema that no other test uses.
pub async fn new_schema() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let schema = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let mut connection =
        PgConnection::connect(postgres_url()).await.expect("the test database answers");
    let create = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(create))).await.expect("a schema of its own");
    schema
}

impl Cluster {
    #[expect(clippy::disallowed_methods, reason = "tests take their database from the environment")]
    fn find_or_start() -> Self {
        match std::env::var("TEST_DATABASE_URL") {
            Ok(url) if !url.is_empty() => Self { url, _own: None },
            _ => Self::start(),
        }
    }

    fn start() -> Self {
        let binaries = binaries().unwrap_or_else(|| {
            panic!(
                "the tests need the server binaries of Postgres (initdb, postgres), which are neither on the PATH nor in \
                 /usr/lib/postgresql/*/bin. `scripts/install-postgres` installs them; or name a database in \
                 TEST_DATABASE_URL"
            )
        });
        let port = Port::pick();
        let mut watcher = Command::new("sh")
            .arg("-c")
            .arg(WATCHER)
            .arg("watcher")
            .arg(binaries)
            .arg(port.address.port().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("a shell starts");
        let mut said = String::new();
        let output = watcher.stdout.take().expect("the shell's output");
        BufReader::new(output).read_line(&mut said).expect("the shell says when it runs");
        assert_eq!(said, "ready\n", "Postgres started; its log is above");
        Self {
            url: format!("postgres://postgres@{}/postgres", port.address),
            _own: Some((watcher, port)),
        }
    }
}

/// The newest server on this machine.
fn binaries() -> Option<PathBuf> {
    let is_there =
        |folder: &PathBuf| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).find(is_there);
    on_path.or_else(|| {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        let mut folders: Vec<PathBuf> =
            versions.flatten().map(|entry| entry.path().join("bin")).collect();
        folders.sort();
        folders.into_iter().rev().find(is_there)
    })
}

/// Postgres refuses to run as root, so root runs it as its own user. Durability and autovacuum are
/// off: no test simulates a power failure, and the tables are small.
const WATCHER: &str = r#"
binaries=$1
port=$2
# Not in TMPDIR, which may be in memory: the files of all tests need gigabytes.
folder=$(mktemp -d /tmp/grantor-postgres.XXXXXX)
as=
if [ "$(id -u)" = 0 ]; then
    chown postgres "$folder"
    as="setpriv --reuid postgres --regid postgres --clear-groups"
fi
cd "$folder"
fail() { cat "$folder/log" >&2; rm -rf "$folder"; exit 1; }
$as "$binaries/initdb" -D "$folder/data" -U postgres -A trust --no-sync --no-locale -E UTF8 >"$folder/log" 2>&1 || fail
$as "$binaries/postgres" -D "$folder/data" -h 127.0.0.1 -p "$port" -k "$folder" -c max_connections=300 \
    -c fsync=off -c full_page_writes=off -c autovacuum=off </dev/null >>"$folder/log" 2>&1 &
server=$!
for attempt in $(seq 600); do
    # The last line of the lock file shows when connections are accepted.
    grep -q '^ready' "$folder/data/postmaster.pid" 2>/dev/null && break
    [ "$attempt" = 600 ] && { kill -INT "$server"; fail; }
    sleep 0.1
done
echo ready
trap '' INT TERM
cat >/dev/null
kill -INT "$server"
wait "$server"
rm -rf "$folder"
"#;
