//! `meoww search`.

use super::Context;
use crate::{
    cli::Search,
    driver::{Options, Session},
    error::Error,
    headless::{self, Plan},
};

pub(super) async fn run(context: &Context, args: Search) -> Result<(), Error> {
    let options = Options {
        api: context.api.clone(),
        camera: args.camera.clone(),
        relay_only: args.relay_only,
    };
    let session = Session::start(options).await?;
    let plan = Plan { rounds: args.rounds, duration: args.duration };
    headless::run(session, plan, context.out).await
}
