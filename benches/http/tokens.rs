//! Tokens and codes on their way from one answer to a later request.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Those of which nobody has more use are dropped, so that a long run stays small.
const MOST: usize = 100_000;

#[derive(Default)]
pub struct Tokens(Mutex<Vec<String>>);

impl Tokens {
    pub fn take(&self) -> Option<String> {
        self.lock().pop()
    }

    pub fn give(&self, token: String) {
        let mut tokens = self.lock();
        if tokens.len() < MOST {
            tokens.push(token);
        }
    }

    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
