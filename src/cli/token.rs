//! `takt token new`: a secret for a service account, and the hash that stands for it.

use crate::gate::Token;
use std::convert::Infallible;

/// Make tokens for service accounts
#[derive(Debug, clap::Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, clap::Subcommand)]
enum TokenCommand {
    /// Print a new token and its hash; nothing is stored
    New,
}

/// Both on standard output, named, so that a script can take them apart.
pub fn run(args: &TokenArgs) -> Result<(), Infallible> {
    match args.command {
        TokenCommand::New => {
            let token = Token::random();
            println!("token: {}", token.secret);
            println!("hash:  {}", token.hash);
            eprintln!(
                "Give the token to the program: it is shown only now. Put the hash where `token_hash` in takt.yaml refers to."
            );
        }
    }
    Ok(())
}
