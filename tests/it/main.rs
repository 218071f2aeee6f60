//! The one integration binary. The tree mirrors the URLs; `db` is what every engine must do; `cli` and `journey` run the
//! program itself.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and ends")]

#[macro_use]
mod support;

mod actions;
mod api;
mod cli;
mod clocks;
mod db;
mod docs;
mod edge;
mod journey;
mod management;
mod network;
mod oauth;
mod openapi;
mod outgoing;
mod pages;
mod webhook;
