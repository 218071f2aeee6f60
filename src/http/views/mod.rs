//! What people see: pages made on the server, without a script, each a struct of what it shows and one `render`.
//!
//! No page asks anything: whoever makes one has read what it shows. The markup is in `templates/`, escaped by askama; the
//! words are in `locales/`, one file for each language.

mod account;
mod answer;
mod app_name;
mod choose_organisation;
mod choose_password;
mod choose_site;
mod consent;
mod device;
#[cfg(test)]
mod gallery;
mod language;
mod login;
mod problem;
mod scope_groups;
mod shown;
mod signed_out;
mod style;
mod words;

pub use crate::http::views::account::{AccountPage, AppShown, Notice, SessionShown};
pub use crate::http::views::app_name::AppName;
pub use crate::http::views::choose_organisation::ChooseOrganisationPage;
pub use crate::http::views::choose_password::{ChoosePasswordPage, PasswordFailure};
pub use crate::http::views::choose_site::{ChooseSitePage, SiteShown};
pub use crate::http::views::consent::{
    ClientShown, ConsentPage, GoesTo, ReachShown, ResourceShown, Usage, WithheldScope,
};
pub use crate::http::views::language::Language;
pub use crate::http::views::login::{LoginFailure, LoginPage};
pub use crate::http::views::problem::{Problem, ProblemPage};
pub use crate::http::views::scope_groups::ScopeGroup;
pub use crate::http::views::signed_out::SignedOutPage;
pub use crate::http::views::style::style;
