//! Where Redis is: a server, or the sentinels that know which server of a service is the primary. A
//! primary is asked whether it thinks so itself, because a sentinel may not have heard of a failover yet.

use redis::aio::MultiplexedConnection;
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisError,
    RedisResult, TlsMode,
};

/// Port of a sentinel that is named without one.
const SENTINEL_PORT: &str = ":26379";

/// What a URL leads to.
pub(super) enum Address {
    Server(Box<Client>),
    Sentinels(Box<SentinelClient>),
}

impl Address {
    pub(super) fn parse(url: &str) -> RedisResult<Self> {
        for (scheme, server) in [
            ("redis+sentinel://", "redis://"),
            ("rediss+sentinel://", "rediss://"),
        ] {
            if let Some(rest) = url.strip_prefix(scheme) {
                let parts = Parts::parse(rest, server)?;
                return Ok(Self::Sentinels(Box::new(parts.client()?)));
            }
        }
        Ok(Self::Server(Box::new(Client::open(url)?)))
    }

    /// Connects to the server, or to the primary of now.
    pub(super) async fn connect(
        &mut self,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        match self {
            Self::Server(client) => {
                client
                    .get_multiplexed_async_connection_with_config(config)
                    .await
            }
            Self::Sentinels(client) => client.get_async_connection_with_config(config).await,
        }
    }
}

/// What a URL of sentinels says.
struct Parts {
    sentinels: Vec<ConnectionInfo>,
    service: String,
    server: ConnectionInfo,
    tls: bool,
}

impl Parts {
    /// `rest` is `[user:password@]host[:port][,...]/service[/db][?user=..&password=..]`: what stands before
    /// the hosts is for the servers, what stands behind is for the sentinels. Each part is read as the URL
    /// of one server, so that both kinds have the same rules.
    fn parse(rest: &str, scheme: &str) -> RedisResult<Self> {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (format!("{login}@"), hosts),
            None => (String::new(), authority),
        };
        let (service, database) = path.split_once('/').unwrap_or((path, ""));
        if service.is_empty() {
            return Err(wrong(
                "a URL of sentinels names the service after the hosts",
            ));
        }
        let of_sentinels = sentinel_login(query)?;
        let sentinel = |host: &str| {
            let port = if has_port(host) { "" } else { SENTINEL_PORT };
            format!("{scheme}{of_sentinels}{host}{port}/").into_connection_info()
        };
        let sentinels: RedisResult<Vec<_>> = hosts.split(',').map(sentinel).collect();
        Ok(Self {
            sentinels: sentinels?,
            service: service.to_owned(),
            server: format!("{scheme}{login}server/{database}").into_connection_info()?,
            tls: scheme == "rediss://",
        })
    }

    fn client(self) -> RedisResult<SentinelClient> {
        let server = SentinelNodeConnectionInfo::default()
            .set_redis_connection_info(self.server.redis_settings().clone());
        let server = match self.tls {
            true => server.set_tls_mode(TlsMode::Secure),
            false => server,
        };
        let kind = SentinelServerType::Master;
        SentinelClient::build(self.sentinels, self.service, Some(server), kind)
    }
}

fn has_port(host: &str) -> bool {
    // The colons of an IPv6 address stand in brackets.
    host.rsplit(']').next().is_some_and(|end| end.contains(':'))
}

fn sentinel_login(query: &str) -> RedisResult<String> {
    let (mut user, mut password) = ("", "");
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sentinel_user", value)) => user = value,
            Some(("sentinel_password", value)) => password = value,
            _ => return Err(wrong("a URL of sentinels has an unknown setting")),
        }
    }
    Ok(match (user, password) {
        ("", "") => String::new(),
        (user, password) => format!("{user}:{password}@"),
    })
}

fn wrong(what: &'static str) -> RedisError {
    (ErrorKind::InvalidClientConfig, what).into()
}

#[cfg(test)]
mod tests {
    use super::{Address, Parts};

    #[test]
    fn sentinels_their_service_and_both_logins_are_read() {
        let rest = "farm:s%40fe@a:1,[::1]:2,c/main/3?sentinel_user=watch&sentinel_password=x";
        let parts = Parts::parse(rest, "redis://").unwrap();
        let at: Vec<String> = parts
            .sentinels
            .iter()
            .map(|one| one.addr().to_string())
            .collect();
        assert_eq!(at, ["a:1", "::1:2", "c:26379"]);
        let logins = parts
            .sentinels
            .iter()
            .map(|one| one.redis_settings().username());
        assert!(logins.eq([Some("watch"); 3]));
        let server = parts.server.redis_settings();
        assert_eq!(parts.service, "main");
        assert_eq!(server.username(), Some("farm"));
        assert_eq!(server.password(), Some("s@fe"));
        assert_eq!(server.db(), 3);
    }

    #[test]
    fn what_is_no_url_of_sentinels_is_refused() {
        for bad in [
            "redis+sentinel://a:1",
            "redis+sentinel://a:1/",
            "redis+sentinel:///main",
            "redis+sentinel://a:1/main?db=3",
            "sentinel://a:1/main",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
        for good in ["rediss+sentinel://a,b/main", "redis://a", "redis+unix:///x"] {
            assert!(Address::parse(good).is_ok(), "{good}");
        }
    }
}
