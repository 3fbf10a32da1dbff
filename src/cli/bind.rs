//! How an address to listen on is written on a command line.

use std::net::{IpAddr, SocketAddr};

const PORT: u16 = 8420;

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let meant = match text.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, PORT),
        Err(_) => {
            let port = text.rsplit(':').next().and_then(|port| port.parse().ok());
            SocketAddr::from(([127, 0, 0, 1], port.unwrap_or(PORT)))
        }
    };
    Err(format!("an IP address and a port are needed: write it as {meant}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_writes_a_name_is_told_how_to_write_the_address() {
        assert_eq!(address("[::1]:0").map(|address| address.port()), Ok(0));
        for (text, meant) in [
            ("localhost:8421", "127.0.0.1:8421"),
            (":8080", "127.0.0.1:8080"),
            ("localhost", "127.0.0.1:8420"),
            ("0.0.0.0", "0.0.0.0:8420"),
            ("::1", "[::1]:8420"),
        ] {
            let told = address(text).unwrap_err();
            assert!(told.ends_with(&format!("write it as {meant}")), "{text}: {told}");
        }
    }
}
