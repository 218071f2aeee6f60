//! Suggestions for flags and commands that other servers use.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Adds a tip to the error if the flag or command has another name here.
pub fn with_suggestion(mut error: clap::Error) -> clap::Error {
    match error.kind() {
        ErrorKind::UnknownArgument => {
            if let Some(tip) = typed(&error, ContextKind::InvalidArg).as_deref().and_then(for_flag)
            {
                error.remove(ContextKind::SuggestedArg);
                error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
            }
        }
        ErrorKind::InvalidSubcommand => {
            if let Some(command) =
                typed(&error, ContextKind::InvalidSubcommand).as_deref().and_then(for_command)
            {
                error.insert(
                    ContextKind::SuggestedSubcommand,
                    ContextValue::Strings(vec![command.to_owned()]),
                );
            }
        }
        _ => {}
    }
    error
}

fn typed(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    }
}

fn for_flag(flag: &str) -> Option<&'static str> {
    match flag {
        "--listen" | "--bind" | "--host" | "--addr" | "--address" | "--port" | "-p" => Some(
            "did you mean '--set http.listen=127.0.0.1:8080'? Address and port are one setting",
        ),
        "--url" | "--public-url" | "--issuer" => {
            Some("did you mean '--set http.public_url=https://auth.example.com'?")
        }
        "--database" | "--database-url" | "--db" => {
            Some("did you mean '--set database.url=postgres://…'?")
        }
        _ => None,
    }
}

fn for_command(command: &str) -> Option<&'static str> {
    matches!(command, "start" | "run" | "server" | "up" | "daemon").then_some("serve")
}
