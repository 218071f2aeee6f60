//! CPU time and memory of processes from `/proc` (proc(5)).

use std::fs;
use std::time::Duration;

use crate::failure::Failure;

/// CPU time since the start of the machine or a process.
#[derive(Clone, Copy, Default)]
pub struct Usage {
    pub server: Duration,
    pub postgres: Duration,
    /// The benchmark with all of its child processes, including the two above.
    pub ours: Duration,
    /// All visible processes.
    seen: Duration,
    /// All cores, including invisible processes.
    machine: Duration,
}

impl Usage {
    pub fn now(server: Option<u32>, postgres: u32) -> Result<Self, Failure> {
        let processes = processes()?;
        Ok(Self {
            server: server.map_or(Duration::ZERO, |id| of_tree(&processes, id)),
            postgres: of_tree(&processes, postgres),
            ours: of_tree(&processes, std::process::id()),
            seen: processes.iter().map(|process| from_ticks(process.ticks)).sum(),
            machine: of_machine(&fs::read_to_string("/proc/stat")?),
        })
    }

    pub fn since(self, earlier: Self) -> Self {
        Self {
            server: self.server.saturating_sub(earlier.server),
            postgres: self.postgres.saturating_sub(earlier.postgres),
            ours: self.ours.saturating_sub(earlier.ours),
            seen: self.seen.saturating_sub(earlier.seen),
            machine: self.machine.saturating_sub(earlier.machine),
        }
    }

    /// The CPU time of other processes. The sum over processes is exact, but does not include other
    /// containers and other guests of the host. The machine's own counters include those, but they
    /// are sampled and miss short pauses. Both are lower bounds.
    pub fn others(&self) -> Duration {
        self.seen.max(self.machine).saturating_sub(self.ours)
    }
}

struct Process {
    id: u32,
    parent: u32,
    /// The ticks of the process and of its children that ended, so that no ended backend is lost.
    ticks: u64,
}

/// Every process once: `/proc/self` is an alias of a numbered folder.
fn processes() -> Result<Vec<Process>, Failure> {
    let is_numbered = |folder: &fs::DirEntry| {
        folder.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok())
    };
    let folders = fs::read_dir("/proc")?.flatten().filter(is_numbered);
    // A process that ended meanwhile has no file.
    let stats = folders.filter_map(|folder| fs::read_to_string(folder.path().join("stat")).ok());
    Ok(stats.filter_map(|stat| Process::parse(&stat)).collect())
}

impl Process {
    /// `ID (NAME) STATE PARENT …`, where the name may hold anything, brackets included.
    fn parse(stat: &str) -> Option<Self> {
        let (id, _) = stat.split_once(' ')?;
        let (_, after_name) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = after_name.split(' ').collect();
        let times = fields.get(11..15)?.iter().filter_map(|ticks| ticks.parse::<u64>().ok());
        Some(Self {
            id: id.parse().ok()?,
            parent: fields.get(1)?.parse().ok()?,
            ticks: times.sum(),
        })
    }
}

fn of_tree(processes: &[Process], root: u32) -> Duration {
    let own =
        processes.iter().find(|process| process.id == root).map_or(0, |process| process.ticks);
    let children = processes.iter().filter(|process| process.parent == root);
    from_ticks(own) + children.map(|child| of_tree(processes, child.id)).sum::<Duration>()
}

/// User, nice, system and stolen time of all cores. Interrupts are omitted: most of them are our
/// own loopback traffic, and some kernels attribute that to no process, so it would count as the
/// work of others.
fn of_machine(stat: &str) -> Duration {
    let all_cores = stat.lines().next().unwrap_or_default().split_whitespace();
    let ticks: Vec<u64> = all_cores.filter_map(|ticks| ticks.parse().ok()).collect();
    let [user, nice, system, _idle, _iowait, _irq, _softirq, stolen, ..] = ticks[..] else {
        return Duration::ZERO;
    };
    from_ticks(user + nice + system + stolen)
}

/// Times in `/proc` are in hundredths of a second, whatever the tick of the kernel is.
fn from_ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 10)
}

/// The resident memory of a process in megabytes.
pub fn resident_mb(process: u32) -> Result<f64, Failure> {
    megabytes(process, "VmRSS:")
}

/// The peak resident memory.
pub fn peak_mb(process: u32) -> Result<f64, Failure> {
    megabytes(process, "VmHWM:")
}

fn megabytes(process: u32, field: &str) -> Result<f64, Failure> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let kilobytes =
        |line: &str| line.strip_prefix(field)?.trim().strip_suffix(" kB")?.parse::<f64>().ok();
    match status.lines().find_map(kilobytes) {
        Some(kilobytes) => Ok(kilobytes / 1024.0),
        None => Err(Failure::Unexpected { what: "memory in a process's status", came: status }),
    }
}
