//! The folder of the Postgres programs, and their user: Postgres refuses to run as root.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::process;

const NEEDED: [&str; 4] = ["initdb", "postgres", "psql", "pgbench"];

pub struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// The first folder of `PATH` with all of them, or else the newest version of Debian.
    pub fn find() -> Result<Self, Failure> {
        let on_path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&on_path).chain(packaged());
        let has_all = |folder: &PathBuf| NEEDED.iter().all(|tool| folder.join(tool).is_file());
        folders.into_iter().find(has_all).map(|folder| Self { folder }).ok_or(Failure::NoPostgres)
    }

    pub fn path(&self, tool: &str) -> PathBuf {
        self.folder.join(tool)
    }

    pub fn version(&self) -> Result<String, Failure> {
        process::run(Command::new(self.path("postgres")).arg("--version"), "postgres --version")
            .map(|text| text.trim().to_owned())
    }
}

/// The folders `/usr/lib/postgresql/*/bin`, newest version first.
fn packaged() -> Vec<PathBuf> {
    let version = |folder: &Path| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let entries = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    versions.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    versions.into_iter().map(|folder| folder.join("bin")).collect()
}

/// The user that Postgres runs as.
pub enum RunsAs {
    Us,
    Postgres { id: u32 },
}

impl RunsAs {
    pub fn find() -> Result<Self, Failure> {
        if user_id(&[])? != 0 {
            return Ok(Self::Us);
        }
        user_id(&["postgres"]).map(|id| Self::Postgres { id }).map_err(|_| Failure::NoPostgresUser)
    }

    /// The arguments of `setpriv` that become this user.
    pub fn privileges(&self) -> &'static [&'static str] {
        match self {
            Self::Us => &[],
            Self::Postgres { .. } => &["--reuid=postgres", "--regid=postgres", "--init-groups"],
        }
    }

    pub fn own(&self, folder: &Path) -> Result<(), Failure> {
        if let Self::Postgres { id } = self {
            std::os::unix::fs::chown(folder, Some(*id), None)?;
        }
        Ok(())
    }
}

fn user_id(user: &[&str]) -> Result<u32, Failure> {
    let printed = process::run(Command::new("id").arg("-u").args(user), "id -u")?;
    printed
        .trim()
        .parse()
        .map_err(|_| Failure::Unexpected { what: "a user's number from `id -u`", came: printed })
}
