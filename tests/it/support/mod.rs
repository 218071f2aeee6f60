//! The roles and tools of the tests.
//!
//! * [`TestApp`] is the server in process. It has a manual clock and its own database on an
//!   [`Engine`]: a file for SQLite, a schema for Postgres.
//! * [`TestApp::post`] and [`TestApp::get`] send requests as an anonymous client.
//! * [`TestApp::operator`] creates an organization and its administrator with keys.
//! * [`Bearer`] is a user with an access token.
//! * [`Program`] is the program as a spawned process, and [`Server`] one that is serving.
//! * [`outbox`] inserts webhooks without a receiver and reads their waiting events.
//! * [`granted::Granted`] is a user who authorized a client without a browser.
//! * [`Wire`] is a real listener in process for raw bytes. [`Proxy`] is a proxy between a server
//!   and its database.
//! * [`private_client::PrivateClient`] is a client with a secret, which an organization created.
//! * [`flow::Person`] is a user with a browser, [`flow::McpClient`] a client that sends them to
//!   the server.
//! * [`Site`] is a web host that the server contacts: for client documents, for tokens by an
//!   [`auth_method`], or as a receiver of webhooks.
//! * [`connection`] connects a test directly to its database.
//!
//! Tests do not sleep. They wait for notifications, poll with [`until`], or move the clock.
//!
//! `on_both! { async fn a_sentence(engine: Engine) { … } }` expands to two tests,
//! `a_sentence::sqlite` and `a_sentence::postgres`.

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
pub mod listed;
mod operator;
pub mod outbox;
pub mod people;
pub mod plain_http;
mod port;
pub mod private_client;
mod program;
mod proxy;
pub mod publishing;
mod running;
mod site;
mod template;
mod waiting;
mod wire;

pub use answer::Answer;
pub use app::{Engine, START, TestApp, request};
pub use bearer::Bearer;
pub use cluster::postgres_url;
pub use operator::{TestOperator, restricted, restriction_path, unrestricted, upsert};
pub use port::Port;
pub use program::{DATABASE_PASSWORD, EVERYTHING_GRANTED, Program, Server, TOKENS_UNTIL_2100};
pub use proxy::Proxy;
pub use running::Running;
pub use site::{ReceivedRequest, Reply, Site};
pub use waiting::{DEADLINE, after_delay, until, until_blocked};
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
