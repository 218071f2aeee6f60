//! The integration tests. The tree mirrors `src`, and `oauth`, `api` and `pages` mirror the handlers
//! in `src/http`: the tests of `http/api/scopes_restriction.rs` are in `api/scopes_restriction.rs`.
//! `cli` and `journey` run the program itself.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot continue fails with a reason"
)]

#[macro_use]
mod support;

mod actions;
mod api;
mod cli;
mod clocks;
mod db;
mod delivery;
mod docs;
mod health;
mod journey;
mod middleware;
mod network;
mod oauth;
mod openapi;
mod outgoing;
mod pages;
mod release;
