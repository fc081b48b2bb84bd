//! The path to the partner: lost, found again, measured, and changed to a direct one.

use std::{net::IpAddr, ops::ControlFlow, sync::atomic::Ordering::Relaxed, time::Duration};

use super::{
    control::Control,
    direct,
    negotiation::Input as Negotiable,
    recovery,
    session::{End, Session, fail},
};
use crate::{clock, core::event::PeerEvent};

impl Session {
    pub(super) async fn network_changed(&mut self) -> ControlFlow<End> {
        let known = self.addresses.borrow_and_update().clone();
        let is_gone = |local: IpAddr| match known.is_empty() {
            true => !local.is_loopback(),
            false => !known.contains(&local),
        };
        let is_path_gone = self.transport.guard.in_use().is_some_and(is_gone);
        self.recover(recovery::Input::NetworkChanged { is_path_gone }).await
    }

    /// Lets the recovery decide, and carries it out.
    pub(super) async fn recover(&mut self, input: recovery::Input) -> ControlFlow<End> {
        for effect in self.recovery.handle(input, clock::now()) {
            match effect {
                recovery::Effect::Restart => self.negotiate(Negotiable::Restart).await?,
                recovery::Effect::TellLost(why) => self.emit(PeerEvent::Reconnecting(why))?,
                recovery::Effect::TellBack => {
                    self.look_at_route().await?;
                    self.emit(PeerEvent::Reconnected { relayed: self.told_relayed })?;
                }
                recovery::Effect::GiveUp => return fail("the connection was lost"),
            }
        }
        ControlFlow::Continue(())
    }

    /// Carries out what comes of wishes for a direct path.
    pub(super) async fn go_direct(&mut self, effects: Vec<direct::Effect>) -> ControlFlow<End> {
        for effect in effects {
            match effect {
                direct::Effect::Say => self.channel.tell(Control::Direct).await,
                direct::Effect::Allow => self.transport.allow_direct().await,
                direct::Effect::Restart if self.told_relayed => {
                    self.negotiate(Negotiable::Restart).await?;
                }
                direct::Effect::Restart => {}
                direct::Effect::Tell(news) => self.emit(PeerEvent::GoDirect(news))?,
            }
        }
        ControlFlow::Continue(())
    }

    /// Measures the path, and tells when it is another than before.
    pub(super) async fn look_at_route(&mut self) -> ControlFlow<End> {
        let Some(route) = self.transport.route().await else {
            return ControlFlow::Continue(());
        };
        self.tally.rtt.store((route.rtt * 1e6) as u64, Relaxed);
        if let Ok(round_trip) = Duration::try_from_secs_f64(route.rtt)
            && !round_trip.is_zero()
        {
            self.round_trip.send_replace(round_trip);
        }
        self.tally.relayed.store(route.relayed, Relaxed);
        if std::mem::replace(&mut self.told_relayed, route.relayed) == route.relayed {
            return ControlFlow::Continue(());
        }
        self.emit(PeerEvent::Route { relayed: route.relayed })
    }
}
