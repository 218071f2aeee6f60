//! Reads a password from standard input. Arguments are visible to other users of the machine.

use std::io::Read as _;

use crate::cli::failure::Failure;
use crate::rules::secret::Secret;

/// Returns the first line of standard input if `requested`.
pub fn from_stdin(requested: bool) -> Result<Option<Secret>, Failure> {
    const MAX_BYTES: u64 = 8 * 1024;
    if !requested {
        return Ok(None);
    }
    let mut text = String::new();
    std::io::stdin().lock().take(MAX_BYTES).read_to_string(&mut text)?;
    let line = text.lines().next().unwrap_or_default().to_owned();
    if line.is_empty() {
        return Err(Failure::Usage(
            "--password-stdin: the first line of standard input is empty".to_owned(),
        ));
    }
    Ok(Some(Secret::new(line)))
}
