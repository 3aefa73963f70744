//! Whose a TCP connection from this machine is.
//!
//! The kernel names no peer of a TCP connection, but it lists the other end with the number of its socket
//! (`/proc/net/tcp`), and of each process the sockets it holds. So a listener on loopback can tell whether
//! a connection comes from a process that it started, or from one of theirs. An established connection has
//! one entry, and no other can have the same two addresses while it stands.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use crate::ancestry;

/// The state of a connection that stands (`include/net/tcp_states.h`).
const ESTABLISHED: &str = "01";

/// Whether the connection that `peer` made to `ours` is held by the process `root` or by one that descends
/// from it. A process whose parents have ended descends from nobody. Blocks while it reads `/proc`.
///
/// Errors: `/proc` cannot be read.
pub fn comes_from(root: u32, peer: SocketAddrV4, ours: SocketAddrV4) -> io::Result<bool> {
    let table = fs::read_to_string("/proc/net/tcp")?;
    let Some(socket) = socket_of(&table, peer, ours) else { return Ok(false) };
    let link = format!("socket:[{socket}]");
    Ok(descendants(root, &parents()?).into_iter().any(|process| holds(process, &link)))
}

/// The number of the socket at the end `local` of an established connection to `remote`.
fn socket_of(table: &str, local: SocketAddrV4, remote: SocketAddrV4) -> Option<u64> {
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, here, there, state, _, _, _, _, _, socket, ..] = fields.as_slice() else {
            return None;
        };
        let found =
            *state == ESTABLISHED && address(here) == Some(local) && address(there) == Some(remote);
        found.then(|| socket.parse().ok()).flatten()
    })
}

/// An address as the table has it: the four bytes as one number of this machine, the port as another.
fn address(text: &str) -> Option<SocketAddrV4> {
    let (host, port) = text.split_once(':')?;
    let host = u32::from_str_radix(host, 16).ok()?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(SocketAddrV4::new(Ipv4Addr::from(host.to_ne_bytes()), port))
}

/// Each process's parent.
fn parents() -> io::Result<BTreeMap<u32, u32>> {
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that has ended meanwhile holds nothing.
        let Some(stat) = ancestry::text(process, "stat") else { continue };
        if let Some((parent, _)) = ancestry::read(&stat) {
            parents.insert(process, parent);
        }
    }
    Ok(parents)
}

fn descendants(root: u32, parents: &BTreeMap<u32, u32>) -> BTreeSet<u32> {
    let mut found = BTreeSet::from([root]);
    loop {
        let more: Vec<u32> = parents
            .iter()
            .filter(|(process, parent)| found.contains(parent) && !found.contains(process))
            .map(|(process, _)| *process)
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

fn holds(process: u32, link: &str) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    open.filter_map(Result::ok)
        .any(|file| fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == link))
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::process;

    use super::*;

    fn v4(address: SocketAddr) -> SocketAddrV4 {
        match address {
            SocketAddr::V4(address) => address,
            SocketAddr::V6(_) => panic!("{address} is not of version 4"),
        }
    }

    #[test]
    fn our_own_connection_is_ours_and_nobody_elses() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = v4(listener.local_addr().unwrap());
        let stream = TcpStream::connect(ours).unwrap();
        let peer = v4(stream.local_addr().unwrap());
        assert!(comes_from(process::id(), peer, ours).unwrap());
        let mut other = process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(
            !comes_from(other.id(), peer, ours).unwrap(),
            "it was started, and did not connect"
        );
        other.kill().unwrap();
        other.wait().unwrap();
        assert!(
            !comes_from(process::id(), ours, peer).unwrap(),
            "the listener has not accepted it"
        );
        drop(stream);
        assert!(!comes_from(process::id(), peer, ours).unwrap(), "it does not stand any more");
    }

    #[test]
    fn a_descendants_connection_counts() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = v4(listener.local_addr().unwrap());
        // The shell starts another, which connects.
        let program = format!(
            "import socket, time; s = socket.create_connection(('127.0.0.1', {})); time.sleep(60)",
            ours.port()
        );
        let mut shell = process::Command::new("sh")
            .args(["-c", "python3 -c \"$0\"; true", &program])
            .spawn()
            .unwrap();
        let (_stream, peer) = listener.accept().unwrap();
        assert!(comes_from(shell.id(), v4(peer), ours).unwrap());
        assert!(comes_from(process::id(), v4(peer), ours).unwrap());
        let python = descendants(shell.id(), &parents().unwrap());
        shell.kill().unwrap();
        shell.wait().unwrap();
        for process in python {
            drop(process::Command::new("kill").arg(process.to_string()).output());
        }
    }

    #[test]
    fn a_line_of_the_table_is_read_as_it_is_written() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            \x20  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7 1 0 100 0 0 10 0\n\
            \x20  1: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 20 4 30 10 -1\n\
            \x20  2: 0100007F:C351 0100007F:1F90 08 00000000:00000000 00:00000000 00000000  1000        0 9 1 0 20 4 30 10 -1\n";
        if cfg!(target_endian = "big") {
            return;
        }
        let at = |port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        assert_eq!(socket_of(table, at(50_000), at(8080)), Some(4711));
        assert_eq!(socket_of(table, at(8080), at(50_000)), None);
        assert_eq!(socket_of(table, at(50_001), at(8080)), None, "it is being closed");
    }
}
