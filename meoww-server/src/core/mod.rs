//! What the server decides, as functions of state, input and time. No IO, no clock, no randomness:
//! time and dice are arguments, and what is to be done comes out as values.

pub mod account;
pub mod device;
pub mod fleet;
pub mod ice;
pub mod limits;
pub mod lobby;
pub mod mail_queue;
pub mod otp;
pub mod presence;
pub mod recent_partners;
pub mod safety;
pub mod session;
pub mod turn;
mod unordered;
