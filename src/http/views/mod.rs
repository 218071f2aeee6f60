//! The pages that people see, rendered on the server without scripts. Each page is a struct with
//! the data that it shows and a `render` method.
//!
//! Rendering reads nothing from the database: handlers load the data first. The markup is in
//! `templates/`, escaped by askama. The texts are in `locales/`, one file per language.

mod account;
mod answer;
mod app_name;
mod choose_organization;
mod choose_password;
mod choose_site;
mod connect;
mod consent;
mod device;
mod disabled;
mod format;
#[cfg(test)]
mod gallery;
mod invitation;
mod login;
mod not_permitted;
mod problem;
mod scope_groups;
mod signed_out;
mod style;
mod words;

pub use crate::http::views::account::{AccountPage, AppEntry, Notice, SessionEntry};
pub use crate::http::views::app_name::AppName;
pub use crate::http::views::choose_organization::ChooseOrganizationPage;
pub use crate::http::views::choose_password::{ChoosePasswordPage, PasswordFailure};
pub use crate::http::views::choose_site::{ChooseSitePage, SiteLink};
pub use crate::http::views::connect::{ConnectPage, TileEntry, TilesPage};
pub use crate::http::views::consent::{
    ClientOwner, ClientSummary, ConsentPage, Destination, ReachSummary, ResourceSummary, Usage,
    WithheldScope,
};
pub use crate::http::views::disabled::DisabledPage;
pub use crate::http::views::invitation::{InvitationGonePage, InvitationPage, InvitationStep};
pub use crate::http::views::login::{LoginFailure, LoginPage};
pub use crate::http::views::not_permitted::NotPermittedPage;
pub use crate::http::views::problem::{Problem, ProblemPage};
pub use crate::http::views::scope_groups::ScopeGroup;
pub use crate::http::views::signed_out::SignedOutPage;
pub use crate::http::views::style::style;
