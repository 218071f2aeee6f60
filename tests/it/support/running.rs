//! Child processes, and their output while they run.

use std::io::{Read, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::waiting::DEADLINE;

/// No program runs longer, not even a browser on a busy machine.
const WHOLE_RUN: Duration = Duration::from_secs(300);

/// A command that has ended.
#[derive(Debug)]
pub struct Finished {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// The output of a successful command as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(self.succeeded())
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.stdout))
    }

    /// The output of a successful command.
    pub fn succeeded(&self) -> &str {
        assert_eq!(self.code, 0, "{}", self.stderr);
        &self.stdout
    }

    /// Asserts exit code and standard error. A failed command prints nothing on standard output.
    pub fn failed(&self, code: i32, stderr: &str) {
        assert_eq!((self.code, self.stdout.as_str(), self.stderr.trim_end()), (code, "", stderr));
    }
}

/// A child process whose outputs are read as they arrive. It is killed if the test ends without
/// waiting for it.
pub struct Running {
    child: Child,
    pub stdout: Arc<Captured>,
    pub stderr: Arc<Captured>,
}

impl Running {
    pub fn spawn(mut command: Command, input: &str) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("{command:?} cannot run: {error}"));
        let mut stdin = child.stdin.take().expect("a pipe");
        // A program that reads no input may have ended already.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let stdout = Captured::all_of(child.stdout.take().expect("a pipe"));
        let stderr = Captured::all_of(child.stderr.take().expect("a pipe"));
        Self { child, stdout, stderr }
    }

    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until standard error contains this text.
    pub fn wait_for_error(&self, text: &str) {
        self.stderr.wait_for(text);
    }

    /// Waits for the first line of standard output.
    pub fn first_line(&self) -> String {
        let seen = self.stdout.wait_until(|state| state.1 || state.0.contains(&b'\n'));
        let line = seen.split_once('\n').map(|(line, _)| line.to_owned());
        line.unwrap_or_else(|| {
            panic!("no line was said within {DEADLINE:?}, but this:\n{}", self.stderr.text())
        })
    }

    /// Waits until the process ends.
    pub fn finish(mut self) -> Finished {
        // Both outputs are closed when the process ends.
        let (stdout, stderr) = (self.stdout.wait_for_end(), self.stderr.wait_for_end());
        let status = self.child.wait().expect("the program ends");
        let code = status.code().unwrap_or_else(|| panic!("{status}: {stderr}"));
        Finished { code, stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The output of a child process, filled by a thread.
#[derive(Default)]
pub struct Captured {
    state: Mutex<(Vec<u8>, bool)>,
    changed: Condvar,
}

impl Captured {
    fn all_of(mut pipe: impl Read + Send + 'static) -> Arc<Self> {
        let captured = Arc::new(Self::default());
        let filled = Arc::clone(&captured);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let length = pipe.read(&mut buffer).unwrap_or(0);
                let mut state = filled.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.0.extend_from_slice(&buffer[..length]);
                state.1 = length == 0;
                filled.changed.notify_all();
                if length == 0 {
                    return;
                }
            }
        });
        captured
    }

    pub fn text(&self) -> String {
        text_of(&self.state.lock().unwrap_or_else(PoisonError::into_inner).0)
    }

    pub fn wait_for(&self, text: &str) -> String {
        let seen = self.wait_until(|state| state.1 || text_of(&state.0).contains(text));
        assert!(
            seen.contains(text),
            "{text:?} was not said within {DEADLINE:?}, but this:\n{seen}"
        );
        seen
    }

    fn wait_for_end(&self) -> String {
        let seen = self.wait_within(WHOLE_RUN, |state| state.1);
        let ended = self.state.lock().unwrap_or_else(PoisonError::into_inner).1;
        assert!(ended, "the program has not ended within {WHOLE_RUN:?}; it said:\n{seen}");
        seen
    }

    pub fn wait_until(&self, done: impl FnMut(&(Vec<u8>, bool)) -> bool) -> String {
        self.wait_within(DEADLINE, done)
    }

    fn wait_within(
        &self,
        limit: Duration,
        mut done: impl FnMut(&(Vec<u8>, bool)) -> bool,
    ) -> String {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (state, _) = self
            .changed
            .wait_timeout_while(state, limit, |state| !done(state))
            .unwrap_or_else(PoisonError::into_inner);
        text_of(&state.0)
    }
}

pub fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
