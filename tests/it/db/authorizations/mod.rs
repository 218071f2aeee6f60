//! Authorization requests and codes.

mod codes;
mod requests;
