//! `grantor keys`: the keys that sign tokens, and the key ring that encrypts secrets.

mod forget;
mod re_encrypt;
mod revoke;
mod rotate;
mod status;

use clap::Subcommand;

use crate::actions::context::Context;
use crate::cli::database;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::runtime::block_on;
use crate::config::Loaded;
use crate::key_ring::ring_for_database;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a signing key. It is published for ten minutes before it signs. Tokens of older keys stay valid.
    Rotate {
        /// Use it for signing at once. If an older key leaked, use `keys revoke`, which also
        /// withdraws that key.
        #[arg(long)]
        now: bool,
    },
    /// Revoke a signing key that leaked: servers refuse its tokens within 30 seconds, and another key signs at once.
    Revoke {
        /// ID of the key or its unique beginning; `keys status` shows it.
        #[arg(value_name = "KID", allow_hyphen_values = true)]
        kid: String,
    },
    /// Encrypt all stored secrets again with the newest key of the ring. Servers keep running.
    ReEncrypt,
    /// Delete the webhooks, auth methods and variables that a lost key of the ring encrypts.
    Forget {
        /// ID of the key; `keys status` shows it.
        #[arg(value_name = "ID")]
        ring_key: String,
        /// Delete them. Without this flag, the command only lists what it would delete.
        #[arg(long)]
        yes: bool,
    },
    /// Show the keys of the ring and what each encrypts, and the signing keys and their states.
    Status,
}

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    block_on(async {
        let context = database::open(&loaded.config).await?;
        let ring = ring_for_database(&loaded.config, &context.random, &context.db)
            .await
            .map_err(Failure::failed)?;
        let context = Context { ring, ..context };
        match command {
            Command::Rotate { now } => rotate::rotate(&context, &loaded.config, now, output).await,
            Command::Revoke { kid } => revoke::revoke(&context, &loaded.config, &kid, output).await,
            Command::ReEncrypt => re_encrypt::re_encrypt(&context, output).await,
            Command::Forget { ring_key, yes } => {
                forget::forget(&context, &ring_key, yes, output).await
            }
            Command::Status => status::status(&context, &loaded.config, output).await,
        }
    })
}
