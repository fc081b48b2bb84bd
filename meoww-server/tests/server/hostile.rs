//! What the world, the disk and the power do to a server on a bad day.

mod crash;
