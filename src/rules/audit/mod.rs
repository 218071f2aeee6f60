//! The audit trail: actions, actors and how they are listed.

pub mod action;
pub mod actor;
pub mod catalog;
pub mod query;
pub mod since;
