//! The cast and the stage.
//!
//! * [`TestApp`] is the server in process, with a clock that tests move, on an [`Engine`] of its own: a file for SQLite, a
//!   schema for Postgres.
//! * An **anonymous client** is [`TestApp::post`] and [`TestApp::get`].
//! * An **operator** is [`TestApp::operator`]: the administrator of an organization of their own, with keys.
//! * A [`Bearer`] is somebody with an access token instead.
//! * The program itself, as an operator runs it, is a [`Program`], and while it serves a [`Server`].
//! * A webhook without a receiver is made in [`outbox`], where what waits for it is read.
//! * A user who let a client in without a browser is [`granted::Granted`].
//! * A [`Wire`] is a real listener in process, spoken to byte by byte; a [`Proxy`] stands between it and its database.
//! * A [`flow::Person`] is at a browser, a [`flow::McpClient`] sends them there.
//! * A [`Site`] is a host on the web that the server asks: who publishes a document, who gives tokens as an [`auth_method`]
//!   says, who receives webhooks.
//! * A [`connection`] is a test's own to its database.
//!
//! Nobody sleeps: who tells when it is so far is waited for, [`until`] asks those who do not, and clocks are moved.
//!
//! `on_both! { async fn a_sentence(engine: Engine) { … } }` makes two tests, `a_sentence::sqlite` and
//! `a_sentence::postgres`.

#[macro_use]
pub mod connection;

mod answer;
mod app;
pub mod auth_method;
mod bearer;
mod cluster;
pub mod errors;
pub mod flow;
pub mod granted;
mod operator;
pub mod outbox;
pub mod plain_http;
mod port;
mod program;
mod proxy;
mod site;
mod waiting;
mod wire;

pub use answer::Answer;
pub use app::{Engine, START, TestApp, request};
pub use bearer::Bearer;
pub use cluster::postgres_url;
pub use operator::{TestOperator, restricted, restriction_path, unrestricted, upsert};
pub use port::Port;
pub use program::{DATABASE_PASSWORD, EVERYTHING_GRANTED, Program, Running, Server, TOKENS_UNTIL_2100};
pub use proxy::Proxy;
pub use site::{Asked, Reply, Site};
pub use waiting::{DEADLINE, later, until, until_kept_waiting};
pub use wire::{Connection, Wire};

macro_rules! on_both {
    ($($(#[$attribute:meta])* async fn $name:ident($engine:ident: Engine) $body:block)*) => {$(
        $(#[$attribute])*
        mod $name {
            use super::*;

            async fn test($engine: $crate::support::Engine) $body

            #[tokio::test]
            async fn sqlite() {
                test($crate::support::Engine::Sqlite).await;
            }

            #[tokio::test]
            async fn postgres() {
                test($crate::support::Engine::Postgres).await;
            }
        }
    )*};
}
