//! Ctrl-C and SIGTERM run no destructors, so the temporary folder is removed here. The kernel ends
//! the child processes.

use std::path::Path;
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

/// The exit code of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

pub fn remove_when_interrupted(folder: &Path) {
    let folder = folder.to_owned();
    thread::spawn(move || {
        if wait_for_interrupt().is_ok() {
            remove(&folder);
            std::process::exit(INTERRUPTED);
        }
    });
}

fn wait_for_interrupt() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}

/// Retries, because Postgres may still be writing files into the folder.
fn remove(folder: &Path) {
    const TRIES: u32 = 20;
    for _ in 0..TRIES {
        if std::fs::remove_dir_all(folder).is_ok() {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
}
