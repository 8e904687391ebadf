//! Which addresses webhooks may reach. A submitter names the host, and what answers at an address inside
//! the operator's network, such as a cloud's metadata service, must not be asked by the farm. The rule is
//! about addresses and not about names: it is asked after every resolution, with what is connected to.

use crate::{Error, Result};
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use url::{Host, Url};

/// Every public address, and the networks that the operator allows beside them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Targets {
    allowed: Arc<[IpNet]>,
}

impl Targets {
    /// Public addresses and these networks: addresses, or networks such as `10.0.0.0/8` and `fd00::/8`.
    pub fn new<'a>(networks: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let networks = networks.into_iter().map(|text| {
            let address = text.parse::<IpAddr>().map(IpNet::from);
            let network = address.or_else(|_| text.parse::<IpNet>());
            network.map_err(|_| Error::Config {
                setting: "webhook network",
                reason: format!("{text:?} is neither an address nor a network such as 10.0.0.0/8"),
            })
        });
        let allowed = networks.collect::<Result<Vec<_>>>()?.into();
        Ok(Self { allowed })
    }

    /// Whether an address may be reached.
    pub(super) fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let public = match address {
            IpAddr::V4(address) => is_public_v4(address),
            IpAddr::V6(address) => is_public_v6(address),
        };
        public
            || self
                .allowed
                .iter()
                .any(|network| network.contains(&address))
    }

    /// Why a URL may not be posted to, as far as it tells without a resolution.
    pub(crate) fn objection(&self, url: &str) -> Option<String> {
        let url = Url::parse(url).ok()?;
        let address = match url.host()? {
            Host::Ipv4(address) => IpAddr::V4(address),
            Host::Ipv6(address) => IpAddr::V6(address),
            Host::Domain(_) => return None,
        };
        (!self.permits(address))
            .then(|| format!("{address} is not public, and the operator does not allow it"))
    }
}

impl Resolve for Targets {
    fn resolve(&self, name: Name) -> Resolving {
        let targets = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let permitted: Vec<SocketAddr> = found
                .filter(|address| targets.permits(address.ip()))
                .collect();
            if permitted.is_empty() {
                return Err("the host has no address that webhooks may reach".into());
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

/// IANA's registry of special addresses, without those that are globally reachable.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        // This network; multicast, reserved and broadcast.
        || first == 0
        || first >= 224
        // Shared by carriers (RFC 6598); protocol assignments; benchmarks (RFC 2544).
        || (first == 100 && (64..128).contains(&second))
        || (first, second, third) == (192, 0, 0)
        || (first == 198 && matches!(second, 18 | 19)))
}

/// Global unicast (RFC 4291 2.4) without what leads to an IPv4 address or is for documents.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let special = match first {
        // Protocol assignments with Teredo (RFC 4380), and documents (RFC 3849).
        0x2001 => second < 0x200 || second == 0xdb8,
        // 6to4 (RFC 3056).
        0x2002 => true,
        // Documents (RFC 9637).
        0x3fff => second < 0x1000,
        _ => false,
    };
    first & 0xe000 == 0x2000 && !special
}

#[cfg(test)]
mod tests {
    use super::Targets;

    #[test]
    fn only_public_addresses_are_reached_unless_the_operator_says_so() {
        let strict = Targets::default();
        for address in [
            "127.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.1.2.3",
            "64:ff9b::a01:203",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
            "2002:a01:203::1",
        ] {
            assert!(!strict.permits(address.parse().unwrap()), "{address}");
        }
        for address in ["1.1.1.1", "192.0.1.1", "100.128.0.1", "2606:4700::1111"] {
            assert!(strict.permits(address.parse().unwrap()), "{address}");
        }
        let open = Targets::new(["10.0.0.0/8", "::1"]).unwrap();
        for address in ["10.1.2.3", "::ffff:10.1.2.3", "::1", "1.1.1.1"] {
            assert!(open.permits(address.parse().unwrap()), "{address}");
        }
        assert!(!open.permits("127.0.0.1".parse().unwrap()));
        assert!(Targets::new(["10.0.0.0/33"]).is_err());
    }

    #[test]
    fn addresses_that_are_written_oddly_are_known() {
        let strict = Targets::default();
        for url in [
            "http://127.0.0.1:8080/x",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::ffff:127.0.0.1]/",
            "https://169.254.169.254/latest/meta-data",
        ] {
            assert!(strict.objection(url).is_some(), "{url}");
        }
        assert_eq!(strict.objection("https://example.com/hook"), None);
    }
}
