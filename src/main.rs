//! The command line. Everything behind it is in the library.

fn main() -> std::process::ExitCode {
    grantor::cli::run()
}
