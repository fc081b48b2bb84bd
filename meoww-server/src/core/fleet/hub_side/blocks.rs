//! Blocks of users with connections to this node.

use meoww_proto::UserId;

use super::{HubSide, Out, Seat};
use crate::core::{
    fleet::{BlockPart, Request},
    safety::BlockList,
};

impl HubSide {
    /// Takes over the blocks of a user, as this node has read them, and tells the matcher.
    pub(in crate::core::fleet) fn read_blocks(
        &mut self,
        user: UserId,
        list: BlockList,
        out: &mut Out<'_>,
    ) {
        // Those of a user whose last connection has just ended too, as its seat may be kept.
        let known = self.users.get_mut(&user);
        let is_news = known.as_ref().is_none_or(|known| {
            let is_told = known.are_blocks_told || list == BlockList::default();
            list.version >= known.blocks.version && !(is_told && list == known.blocks)
        });
        if is_news {
            if let Some(known) = known {
                known.are_blocks_told = true;
            }
            tell_blocks(user, &list, out);
            self.renew_blocks(user, list, out);
        }
    }

    /// Takes over the blocks of a user, unless later ones are known. A room with a user who is new
    /// among them is over at once, as the user may search before the matcher answers; one that has
    /// not begun does not begin.
    pub(super) fn renew_blocks(&mut self, user: UserId, list: BlockList, out: &mut Out<'_>) {
        let Some(known) = self.users.get_mut(&user) else { return };
        if list.version < known.blocks.version {
            return;
        }
        let new: Vec<UserId> = list.blocked.difference(&known.blocks.blocked).copied().collect();
        known.blocks = list;
        for conn in known.connections.clone() {
            let Some(local) = self.conns.get_mut(&conn) else { continue };
            let Seat::Seated(seated) = local.seat else { continue };
            if !new.contains(&seated.stranger) {
                continue;
            }
            if local.unhold(seated.stranger) {
                self.report_change(conn, out);
            } else {
                let left = self.leave_room(conn, out);
                self.report_left(conn, left, out);
            }
        }
    }
}

/// Tells the matcher the blocks of a user.
pub(super) fn tell_blocks(user: UserId, list: &BlockList, out: &mut Out<'_>) {
    out.requests.extend(BlockPart::all_of(user, list).into_iter().map(Request::Blocks));
}
