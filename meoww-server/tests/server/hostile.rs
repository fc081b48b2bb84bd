//! What the world, the disk and the power do to a server on a bad day.

mod crash;
mod crowd;
mod damage;
mod events;
mod flood;
mod frames;
mod full;
mod lost;
mod polling;
mod power;
mod raw;
mod requests;
mod tokens;
