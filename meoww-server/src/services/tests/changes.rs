//! Changes that are seen in two places: photos, and blocks that are taken back.

use std::{future::poll_fn, pin::pin, time::Duration};

use meoww_proto::RoomId;

use super::*;
use crate::{
    core::{lobby::Departure, safety::Block},
    photos::{Photo, PhotoId},
    store::Changes,
};

#[tokio::test]
async fn a_new_photo_replaces_the_old_one_whoever_hangs_up() {
    let world = World::open().await;
    let (services, mut done_unheard) = (&world.services, 0);
    for waits in sweeps() {
        let user = world.member().await.mine.bearer.user;
        let [old, new] = [(); 2].map(|()| PhotoId::generate(rand::rng().random()));
        let photo = |id| Some(Photo { id, jpeg: vec![1] });
        services.change_photo(user, photo(old)).await.expect("stored");
        let answered =
            hang_up_after(waits, services, services.change_photo(user, photo(new))).await;
        let account = services.store.account(user).await.expect("read").expect("there");
        let is_changed = account.profile_image == new.to_profile_image();
        let [has_old, has_new] = [old, new].map(|id| services.photos.get(id));
        let (has_old, has_new) = (has_old.await.expect("read"), has_new.await.expect("read"));
        assert_eq!(has_old.is_none(), is_changed, "hung up after {waits} waits");
        assert!(has_new.is_some() || !is_changed, "hung up after {waits} waits");
        if answered {
            assert!(is_changed);
            if done_unheard > 0 {
                return;
            }
        } else {
            done_unheard += usize::from(is_changed);
        }
    }
    panic!("never cut off after it had begun, or never answered");
}

#[tokio::test]
async fn who_is_unblocked_is_met_again_whoever_hangs_up() {
    let world = World::open().await;
    let (services, mut done_unheard) = (&world.services, 0);
    for waits in sweeps() {
        let [mut ada, eve] = [world.member().await.mine, world.member().await.mine];
        let (user, blocked) = (ada.bearer.user, eve.bearer.user);
        let room = RoomId::from_uuid(uuid::Uuid::new_v4());
        services
            .store
            .add_block(user, Block { room, blocked, since: clock::now() })
            .await
            .expect("kept");
        services.hub.renew_blocks(user).await.expect("read");
        let answered = hang_up_after(waits, services, services.unblock(user, room)).await;
        let is_kept = !services.store.blocks_of(user).await.expect("read").is_empty();
        for window in [&ada, &eve] {
            services.hub.send_input(Input::Search(window.conn, SearchCriteria::default())).await;
        }
        services.hub.counts().await;
        let is_met = std::iter::from_fn(|| ada.inbox.try_recv())
            .any(|event| matches!(event, ConnectionEvent::Matched { .. }));
        assert_eq!(is_met, !is_kept, "hung up after {waits} waits");
        for window in [&ada, &eve] {
            let left = Input::Disconnect(window.conn, Departure::Clean);
            services.hub.send_input(left).await;
        }
        if answered {
            assert!(is_met);
            if done_unheard > 0 {
                return;
            }
        } else {
            done_unheard += usize::from(is_met);
        }
    }
    panic!("never cut off after it had begun, or never answered");
}

#[tokio::test]
async fn a_hub_that_ended_leaves_nothing_to_do() {
    let world = World::open().await;
    let services = &world.services;
    services.hub.fail().await;
    services.hub.failed().await;
    let mut polls = 0;
    let mut watching = pin!(services.watch_others(Changes::default()));
    let counted = poll_fn(|context| {
        polls += 1;
        watching.as_mut().poll(context)
    });
    assert!(tokio::time::timeout(Duration::from_millis(200), counted).await.is_err());
    assert!(polls < 10, "{polls} times in 200 ms");
}
