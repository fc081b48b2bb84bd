//! `meoww blocks`.

use super::{Context, unblock};
use crate::{
    cli::{self, BlocksCommand},
    error::Error,
};

pub(super) async fn run(context: &Context, args: cli::Blocks) -> Result<(), Error> {
    match args.command.unwrap_or(BlocksCommand::List) {
        BlocksCommand::List => list(context).await,
        BlocksCommand::Remove(args) => unblock::run(context, args).await,
    }
}

async fn list(context: &Context) -> Result<(), Error> {
    let found = context.api.blocks().await?;
    let lines =
        found.blocks.iter().map(|block| format!("{}  since {}", block.id, block.created_at));
    let text = match found.blocks.as_slice() {
        [] => "You have blocked nobody.".to_owned(),
        _ => lines.collect::<Vec<_>>().join("\n"),
    };
    context.result(&text, &found)
}
