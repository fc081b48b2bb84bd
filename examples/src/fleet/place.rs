//! Where programs run.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, TcpListener},
    path::Path,
    process::Command,
};

/// This machine, or a network namespace of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The address that programs there listen at.
    pub address: IpAddr,
    /// The process whose network namespace it is.
    namespace: Option<u32>,
}

impl Place {
    /// The loopback of this machine.
    pub fn here() -> Self {
        Self { address: Ipv4Addr::LOCALHOST.into(), namespace: None }
    }

    /// The network namespace of a process, in which `address` is.
    pub fn within(namespace: u32, address: IpAddr) -> Self {
        Self { address, namespace: Some(namespace) }
    }

    /// A command that runs there, with the process id it is started with.
    pub fn command(&self, program: &Path) -> Command {
        let Some(process) = self.namespace else { return Command::new(program) };
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{process}/ns/net")).arg(program);
        command
    }

    /// A port for a program: `usual` in a namespace of its own, else one that is free now.
    pub(super) fn port(&self, usual: u16) -> io::Result<u16> {
        match self.namespace {
            Some(_) => Ok(usual),
            None => Ok(TcpListener::bind((self.address, 0))?.local_addr()?.port()),
        }
    }
}
