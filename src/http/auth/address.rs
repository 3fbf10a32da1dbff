//! Where a request comes from, as far as this can be known: its peer, or what a reverse proxy of the site says.

use crate::http::state::Shared;
use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, request::Parts},
};
use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

const FORWARDED: &str = "x-forwarded-for";

/// The address that attempts to sign in are counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct ClientAddress(pub IpAddr);

impl FromRequestParts<Shared> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, door: &Shared) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer =
            peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip().to_canonical());
        Ok(Self(client(peer, &parts.headers, &door.app.site.access.sign_in.proxies)))
    }
}

/// From the right, the first address that is no proxy of ours: what stands before it, a sender may have made up.
fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[IpAddr]) -> IpAddr {
    let mut address = peer;
    let lines = headers.get_all(FORWARDED).into_iter().rev();
    let mut said = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    while proxies.contains(&address) {
        let Some(Ok(before)) = said.next().map(|text| text.trim().parse::<IpAddr>()) else { break };
        address = before.to_canonical();
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_proxy_of_the_site_is_believed_and_only_its_last_word() {
        let at = |text: &str| text.parse::<IpAddr>().expect("an address");
        let seen = |peer: &str, said: &[&'static str], proxies: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in said {
                headers.append(FORWARDED, line.parse().expect("a header"));
            }
            let proxies: Vec<IpAddr> = proxies.iter().map(|proxy| at(proxy)).collect();
            client(at(peer), &headers, &proxies).to_string()
        };
        assert_eq!(seen("203.0.113.9", &["192.0.2.1"], &[]), "203.0.113.9");
        assert_eq!(seen("203.0.113.9", &["192.0.2.1"], &["10.0.0.1"]), "203.0.113.9");
        assert_eq!(seen("10.0.0.1", &["192.0.2.1, 203.0.113.9"], &["10.0.0.1"]), "203.0.113.9");
        assert_eq!(seen("10.0.0.1", &["192.0.2.1", "203.0.113.9"], &["10.0.0.1"]), "203.0.113.9");
        assert_eq!(seen("10.0.0.1", &["203.0.113.9, 10.0.0.2"], &["10.0.0.1", "10.0.0.2"]), "203.0.113.9");
        assert_eq!(seen("10.0.0.1", &["rubbish"], &["10.0.0.1"]), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &[], &["10.0.0.1"]), "10.0.0.1");
    }
}
