//! Bounds what requests log: one line of a kind, for one route and one network, in a minute. Lines of one place in the code
//! with different errors are of different kinds, up to a few.
//!
//! Anybody can make the server refuse requests, and a refusal is logged, so a stranger could otherwise fill the disk. The
//! first line of a kind is logged at once. Those after it are counted, and a minute later one line has their number. Lines
//! below `info` are not counted: they are logged only where the operator asked for them.

use std::collections::HashMap;
use std::fmt::{self, Debug, Write as _};
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::Clock;
use crate::rules::syntax::network::Network;

/// The request that is being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestSource {
    pub route: &'static str,
    pub network: Network,
}

tokio::task_local! {
    static REQUEST: RequestSource;
}

/// Answers a request: what it logs meanwhile is bounded.
pub async fn of_request<T>(source: RequestSource, answering: impl Future<Output = T>) -> T {
    REQUEST.scope(source, answering).await
}

const MINUTE: Duration = Duration::from_secs(60);
/// Beyond this, networks and errors are not told apart.
const MAX_KINDS: usize = 4_096;
/// An error may hold what was sent, so only a few are told apart: a stranger must not log a line with each request.
const MAX_ERRORS: u64 = 16;

/// What has been logged in the last minute. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct OnceAMinute(Arc<Inner>);

struct Inner {
    clock: Clock,
    kinds: Mutex<HashMap<Kind, Lines>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    callsite: Identifier,
    route: &'static str,
    /// None stands for all networks that do not fit.
    network: Option<Network>,
    /// By [`error`].
    error: u64,
}

struct Lines {
    level: Level,
    message: String,
    logged_at: Duration,
    left_out: u64,
}

/// The one of the program, if it logs.
static OF_THE_PROGRAM: OnceLock<OnceAMinute> = OnceLock::new();

/// Logs how many lines were left out, of each kind whose minute is over. To be called every few seconds.
pub fn report() {
    if let Some(lines) = OF_THE_PROGRAM.get() {
        lines.report();
    }
}

impl OnceAMinute {
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner { clock, kinds: Mutex::default() }))
    }

    pub fn of_the_program() -> Self {
        OF_THE_PROGRAM.get_or_init(|| Self::new(Clock::system())).clone()
    }

    fn admits(&self, event: &Event<'_>, source: RequestSource) -> bool {
        let now = self.0.clock.elapsed();
        let mut kind = Kind {
            callsite: event.metadata().callsite(),
            route: source.route,
            network: Some(source.network),
            error: error(event),
        };
        let mut kinds = self.lock();
        if kinds.len() >= MAX_KINDS && !kinds.contains_key(&kind) {
            (kind.network, kind.error) = (None, 0);
        }
        match kinds.get_mut(&kind) {
            Some(lines) if now.saturating_sub(lines.logged_at) < MINUTE => {
                lines.left_out += 1;
                false
            }
            Some(lines) => {
                // Nobody has reported yet, so the number goes on.
                lines.logged_at = now;
                true
            }
            None => {
                let level = *event.metadata().level();
                kinds.insert(kind, Lines { level, message: message(event), logged_at: now, left_out: 0 });
                true
            }
        }
    }

    /// A line with a number begins the next minute of its kind.
    fn report(&self) {
        let now = self.0.clock.elapsed();
        let mut due = Vec::new();
        self.lock().retain(|kind, lines| {
            let is_over = now.saturating_sub(lines.logged_at) >= MINUTE;
            if is_over && lines.left_out > 0 {
                due.push((kind.clone(), lines.level, lines.message.clone(), lines.left_out));
                (lines.logged_at, lines.left_out) = (now, 0);
                return true;
            }
            !is_over
        });
        // Not while the table is locked: logging comes back here.
        for (kind, level, message, count) in due {
            log(&kind, level, &message, count);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Kind, Lines>> {
        self.0.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log(kind: &Kind, level: Level, line: &str, count: u64) {
    let (route, network) = (kind.route, kind.network.map(tracing::field::display));
    if level <= Level::WARN {
        tracing::warn!(count, line, route, network, "similar log lines were left out");
    } else {
        tracing::info!(count, line, route, network, "similar log lines were left out");
    }
}

/// Writes the lines that are admitted, in the format of `inner`.
pub struct Bounded<F> {
    inner: F,
    lines: OnceAMinute,
}

impl<F> Bounded<F> {
    pub fn new(inner: F, lines: OnceAMinute) -> Self {
        Self { inner, lines }
    }
}

impl<S, N, F> FormatEvent<S, N> for Bounded<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let is_bounded = *event.metadata().level() <= Level::INFO;
        let source = REQUEST.try_with(|source| *source).ok().filter(|_| is_bounded);
        match source {
            Some(source) if !self.lines.admits(event, source) => Ok(()),
            _ => self.inner.format_event(context, writer, event),
        }
    }
}

/// The text of an event, which is ours and holds nothing that was sent.
fn message(event: &Event<'_>) -> String {
    struct Message(String);
    impl Visit for Message {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            if field.name() == "message" {
                // Writing into a String does not fail.
                let _ = write!(self.0, "{value:?}");
            }
        }
    }
    let mut message = Message(String::new());
    event.record(&mut message);
    message.0
}

/// A number below [`MAX_ERRORS`] for the error that an event tells of: the same for the same error.
fn error(event: &Event<'_>) -> u64 {
    struct Errors(String);
    impl Visit for Errors {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            if matches!(field.name(), "error" | "code") {
                // Writing into a String does not fail.
                let _ = write!(self.0, "{value:?} ");
            }
        }
    }
    let mut errors = Errors(String::new());
    event.record(&mut errors);
    let mut hasher = DefaultHasher::new();
    hasher.write(errors.0.as_bytes());
    hasher.finish() % MAX_ERRORS
}

#[cfg(test)]
mod tests {
    use std::io;

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::clock::Hand;
    use crate::rules::timestamp::Timestamp;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("is not poisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What `work` logs, a line each.
    fn logged(work: impl FnOnce(&OnceAMinute, &Hand)) -> Vec<String> {
        let (clock, hand) = Clock::by_hand(Timestamp::from_seconds(0));
        let (lines, written) = (OnceAMinute::new(clock), Written::default());
        let writer = written.clone();
        let text = tracing_subscriber::fmt::format().without_time().with_target(false);
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .event_format(Bounded::new(text, lines.clone()))
            .with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || work(&lines, &hand));
        let bytes = written.0.lock().expect("is not poisoned").clone();
        String::from_utf8(bytes).expect("is text").lines().map(|line| line.trim().to_owned()).collect()
    }

    fn within(route: &'static str, number: u32, work: impl FnOnce()) {
        REQUEST.sync_scope(RequestSource { route, network: Network::V4(number) }, work);
    }

    fn refuse(detail: u32) {
        tracing::info!(detail, "refused");
    }

    #[test]
    fn the_first_line_is_logged_at_once_and_the_others_as_a_number_a_minute_later() {
        let lines = logged(|lines, hand| {
            (0..100).for_each(|number| within("/a", 1, || refuse(number)));
            lines.report();
            hand.advance(MINUTE);
            lines.report();
            within("/a", 1, || refuse(100));
            hand.advance(MINUTE);
            lines.report();
        });

        let number = |count| {
            format!("INFO similar log lines were left out count={count} line=\"refused\" route=\"/a\" network=0.0.0.1")
        };
        assert_eq!(lines, ["INFO refused detail=0".to_owned(), number(99), number(1)]);
    }

    #[test]
    fn routes_networks_and_places_in_the_code_are_told_apart_and_what_is_outside_of_requests_is_not_bounded() {
        let lines = logged(|_, _| {
            for _ in 0..3 {
                within("/a", 1, || refuse(1));
                within("/b", 1, || refuse(2));
                within("/a", 2, || refuse(3));
                within("/a", 1, || tracing::warn!("failed"));
                tracing::info!("outside");
                within("/a", 1, || tracing::debug!("wanted"));
            }
        });

        let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
        assert_eq!((count("refused"), count("failed"), count("outside"), count("wanted")), (3, 1, 3, 3), "{lines:?}");
    }

    #[test]
    fn errors_are_told_apart_up_to_a_few() {
        let fail = |number: u32| within("/a", 1, || tracing::info!(error = %number, "failed"));
        let of_one = logged(|_, _| (0..100).for_each(|_| fail(1)));
        let of_many = logged(|_, _| (0..1_000).for_each(fail));

        assert_eq!(of_one.len(), 1);
        assert!((2..=16).contains(&of_many.len()), "{of_many:?}");
    }

    #[test]
    fn a_kind_that_nobody_logs_any_more_is_forgotten_and_many_networks_share_one_entry() {
        let written = logged(|lines, hand| {
            for number in 0..10_000 {
                within("/a", number, || refuse(number));
            }
            assert_eq!(lines.lock().len(), MAX_KINDS + 1);
            hand.advance(MINUTE);
            lines.report();
            hand.advance(MINUTE);
            lines.report();
            assert_eq!(lines.lock().len(), 0);
        });

        assert_eq!(written.len(), MAX_KINDS + 2, "the first of each, the first of all others, and their number");
    }
}
