//! Limits the log lines of requests to one line of a kind per minute. A kind is a place in the
//! code, a route and a network; different errors from one place are different kinds, up to a limit.
//!
//! Refused requests are logged, and anyone can send bad requests, so without a limit an attacker
//! could fill the disk. The first line of a kind is logged immediately. Later ones are counted, and
//! a minute later one line reports their number. Lines below `info` are not limited, since they are
//! logged only if the operator enabled them.

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
use crate::telemetry::current_request::CurrentRequest;

const MINUTE: Duration = Duration::from_secs(60);
/// Beyond this number, networks and errors are not distinguished.
const MAX_KINDS: usize = 4_096;
/// An error may contain client input, so only a few errors are distinguished: a client must not be
/// able to log a line with every request.
const MAX_ERRORS: u64 = 16;

/// The lines that were logged in the last minute. Cheap to clone; all clones share their state.
#[derive(Clone)]
pub struct LogLimiter(Arc<Inner>);

struct Inner {
    clock: Clock,
    kinds: Mutex<HashMap<Kind, Lines>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    callsite: Identifier,
    route: &'static str,
    /// `None` for all networks beyond [`MAX_KINDS`].
    network: Option<Network>,
    /// The number that [`error`] returns.
    error: u64,
}

struct Lines {
    level: Level,
    message: String,
    logged_at: Duration,
    suppressed: u64,
}

/// The limiter of the process, if logging is set up.
static GLOBAL: OnceLock<LogLimiter> = OnceLock::new();

/// Logs the number of suppressed lines of each kind whose minute is over. Must be called every few
/// seconds.
pub fn report() {
    if let Some(lines) = GLOBAL.get() {
        lines.report();
    }
}

impl LogLimiter {
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner { clock, kinds: Mutex::default() }))
    }

    pub fn global() -> Self {
        GLOBAL.get_or_init(|| Self::new(Clock::system())).clone()
    }

    fn admits(&self, event: &Event<'_>, request: &CurrentRequest) -> bool {
        let now = self.0.clock.elapsed();
        let mut kind = Kind {
            callsite: event.metadata().callsite(),
            route: request.route,
            network: Some(request.address.into()),
            error: error(event),
        };
        let mut kinds = self.lock();
        if kinds.len() >= MAX_KINDS && !kinds.contains_key(&kind) {
            (kind.network, kind.error) = (None, 0);
        }
        match kinds.get_mut(&kind) {
            Some(lines) if now.saturating_sub(lines.logged_at) < MINUTE => {
                lines.suppressed += 1;
                false
            }
            Some(lines) => {
                // The suppressed lines were not reported yet, so the count continues.
                lines.logged_at = now;
                true
            }
            None => {
                let level = *event.metadata().level();
                kinds.insert(
                    kind,
                    Lines { level, message: message(event), logged_at: now, suppressed: 0 },
                );
                true
            }
        }
    }

    /// A line with a count starts the next minute of its kind.
    fn report(&self) {
        let now = self.0.clock.elapsed();
        let mut due = Vec::new();
        self.lock().retain(|kind, lines| {
            let is_over = now.saturating_sub(lines.logged_at) >= MINUTE;
            if is_over && lines.suppressed > 0 {
                due.push((kind.clone(), lines.level, lines.message.clone(), lines.suppressed));
                (lines.logged_at, lines.suppressed) = (now, 0);
                return true;
            }
            !is_over
        });
        // The table must not be locked here, since logging locks it.
        for (kind, level, message, count) in due {
            log(&kind, level, &message, count);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Kind, Lines>> {
        self.0.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log(kind: &Kind, level: Level, line: &str, count: u64) {
    let route = kind.route;
    let network = kind.network.map(tracing::field::display);
    if level <= Level::WARN {
        tracing::warn!(count, line, route, network, "similar log lines were left out");
    } else {
        tracing::info!(count, line, route, network, "similar log lines were left out");
    }
}

/// Writes the admitted lines in the format of `inner`.
pub struct Limited<F> {
    inner: F,
    lines: LogLimiter,
}

impl<F> Limited<F> {
    pub fn new(inner: F, lines: LogLimiter) -> Self {
        Self { inner, lines }
    }
}

impl<S, N, F> FormatEvent<S, N> for Limited<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let is_bounded = *event.metadata().level() <= Level::INFO;
        let is_admitted = !is_bounded
            || CurrentRequest::with(|request| self.lines.admits(event, request)).unwrap_or(true);
        if is_admitted { self.inner.format_event(context, writer, event) } else { Ok(()) }
    }
}

/// The message of an event, which is a constant and contains no client input.
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

/// A number below [`MAX_ERRORS`] for the error of an event. Equal errors have equal numbers.
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
    use std::net::Ipv4Addr;

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::clock::ManualClock;
    use crate::random::{Random, RequestIds};
    use crate::rules::timestamp::Timestamp;
    use crate::telemetry::current_request::SpanName;

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

    /// The lines that `work` logs.
    fn logged(work: impl FnOnce(&LogLimiter, &ManualClock)) -> Vec<String> {
        let (clock, time) = Clock::manual(Timestamp::from_seconds(0));
        let lines = LogLimiter::new(clock);
        let written = Written::default();
        let writer = written.clone();
        let text = tracing_subscriber::fmt::format().without_time().with_target(false);
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .event_format(Limited::new(text, lines.clone()))
            .with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            work(&lines, &time)
        });
        let bytes = written.0.lock().expect("is not poisoned").clone();
        String::from_utf8(bytes)
            .expect("is text")
            .lines()
            .map(|line| line.trim().to_owned())
            .collect()
    }

    fn within(route: &'static str, number: u32, work: impl FnOnce()) {
        let address = Ipv4Addr::from_bits(number).into();
        let id = RequestIds::new(&Random::seeded(1)).next();
        let (method, name) = ("GET", SpanName::Request);
        CurrentRequest { id, method, route, address, name }.sync_scope(work);
    }

    fn refuse(detail: u32) {
        tracing::info!(detail, "refused");
    }

    #[test]
    fn the_first_line_is_logged_immediately_and_the_others_as_a_count_a_minute_later() {
        let lines = logged(|lines, time| {
            (0..100).for_each(|number| within("/a", 1, || refuse(number)));
            lines.report();
            time.advance(MINUTE);
            lines.report();
            within("/a", 1, || refuse(100));
            time.advance(MINUTE);
            lines.report();
        });

        let suppressed = |count| {
            format!(
                "INFO similar log lines were left out count={count} line=\"refused\" route=\"/a\" network=0.0.0.1"
            )
        };
        assert_eq!(lines, ["INFO refused detail=0".to_owned(), suppressed(99), suppressed(1)]);
    }

    #[test]
    fn routes_networks_and_callsites_are_limited_separately_and_other_lines_are_not_limited() {
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
        assert_eq!(
            (count("refused"), count("failed"), count("outside"), count("wanted")),
            (3, 1, 3, 3),
            "{lines:?}"
        );
    }

    #[test]
    fn only_a_few_errors_are_distinguished() {
        let fail = |number: u32| within("/a", 1, || tracing::info!(error = %number, "failed"));
        let of_one = logged(|_, _| (0..100).for_each(|_| fail(1)));
        let of_many = logged(|_, _| (0..1_000).for_each(fail));

        assert_eq!(of_one.len(), 1);
        assert!((2..=16).contains(&of_many.len()), "{of_many:?}");
    }

    #[test]
    fn an_unused_kind_is_forgotten_and_many_networks_share_one_entry() {
        let written = logged(|lines, time| {
            for number in 0..10_000 {
                within("/a", number, || refuse(number));
            }
            assert_eq!(lines.lock().len(), MAX_KINDS + 1);
            time.advance(MINUTE);
            lines.report();
            time.advance(MINUTE);
            lines.report();
            assert_eq!(lines.lock().len(), 0);
        });

        assert_eq!(
            written.len(),
            MAX_KINDS + 2,
            "the first of each kind, the first of all others, and their count"
        );
    }
}
