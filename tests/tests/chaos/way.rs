//! The way between two processes: a listener of the test's own that carries bytes to wherever it leads,
//! and can break, hold, lose and delay them. It stands where a network namespace with `tc` would: that
//! needs rights which a test must not ask for, and cannot lose an answer alone.

use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::watch;

/// Bytes carried at a time.
const PIECE: usize = 16 << 10;

/// What the way does with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Carries them.
    Calm,
    /// Has no connections.
    Cut,
    /// Holds them.
    Stall,
    /// Holds those that come back.
    Deaf,
    /// Carries them later.
    Slow(Duration),
}

/// Where a way leads.
#[derive(Debug, Clone)]
pub(crate) enum End {
    /// An address; another one whenever the process there is another.
    Address(SocketAddr),
    /// A socket in the file system.
    Socket(PathBuf),
}

/// What every connection sees.
#[derive(Debug, Clone, Copy)]
struct Sky {
    weather: Weather,
    /// How often all connections broke.
    breaks: u64,
}

#[derive(Debug, Clone, Copy)]
enum Direction {
    There,
    Back,
}

/// A way. It ends with the runtime that it was opened on.
#[derive(Debug)]
pub(crate) struct Way {
    address: SocketAddr,
    sky: watch::Sender<Sky>,
    end: Arc<Mutex<Option<End>>>,
}

impl Way {
    /// Opens a way that leads nowhere yet.
    pub(crate) fn open(runtime: &Handle) -> Result<Self> {
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .context("listen on the loopback address")?;
        let address = listener.local_addr().context("where a way begins")?;
        let (sky, seen) = watch::channel(Sky {
            weather: Weather::Calm,
            breaks: 0,
        });
        let end = Arc::new(Mutex::new(None));
        runtime.spawn(accept(listener, seen, Arc::clone(&end)));
        Ok(Self { address, sky, end })
    }

    /// Where it begins.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// New connections lead there.
    pub(crate) fn lead_to(&self, end: End) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    /// Changes the weather, also for connections that there are.
    pub(crate) fn set(&self, weather: Weather) {
        let breaks = u64::from(weather == Weather::Cut);
        self.sky.send_modify(|sky| {
            *sky = Sky {
                breaks: sky.breaks + breaks,
                weather,
            }
        });
    }

    /// Calms down; what is held is lost with its connections.
    pub(crate) fn lose(&self) {
        self.sky.send_modify(|sky| {
            *sky = Sky {
                breaks: sky.breaks + 1,
                weather: Weather::Calm,
            }
        });
    }
}

async fn accept(listener: TcpListener, sky: watch::Receiver<Sky>, end: Arc<Mutex<Option<End>>>) {
    while let Ok((near, _)) = listener.accept().await {
        let end = end.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(end) = end.filter(|_| sky.borrow().weather != Weather::Cut) {
            tokio::spawn(carry(near, end, sky.clone()));
        }
    }
}

/// Carries until one side has ended or the way is cut. An end that nobody listens at breaks the
/// connection.
async fn carry(near: TcpStream, end: End, sky: watch::Receiver<Sky>) {
    match end {
        End::Address(address) => {
            if let Ok(far) = TcpStream::connect(address).await {
                let _ = (near.set_nodelay(true), far.set_nodelay(true));
                both_ways(near, far, sky).await;
            }
        }
        End::Socket(path) => {
            if let Ok(far) = UnixStream::connect(path).await {
                both_ways(near, far, sky).await;
            }
        }
    }
}

async fn both_ways(
    near: impl AsyncRead + AsyncWrite,
    far: impl AsyncRead + AsyncWrite,
    sky: watch::Receiver<Sky>,
) {
    let (near_out, near_in) = tokio::io::split(near);
    let (far_out, far_in) = tokio::io::split(far);
    let mut breaks = sky.clone();
    let before = breaks.borrow().breaks;
    tokio::select! {
        // First, so that what was held when all broke is not carried.
        biased;
        _ = breaks.wait_for(|sky| sky.breaks != before) => {}
        () = one_way(near_out, far_in, Direction::There, sky.clone()) => {}
        () = one_way(far_out, near_in, Direction::Back, sky) => {}
    }
}

async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    direction: Direction,
    mut sky: watch::Receiver<Sky>,
) {
    let is_held = |now: Weather| match now {
        Weather::Stall => true,
        Weather::Deaf => matches!(direction, Direction::Back),
        Weather::Calm | Weather::Cut | Weather::Slow(_) => false,
    };
    let mut piece = vec![0; PIECE];
    while let Ok(length) = from.read(&mut piece).await {
        if length == 0 {
            return;
        }
        let Ok(now) = sky
            .wait_for(|sky| !is_held(sky.weather))
            .await
            .map(|sky| *sky)
        else {
            return;
        };
        if let Weather::Slow(delay) = now.weather {
            tokio::time::sleep(delay).await;
        }
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}

#[test]
fn a_way_carries_holds_loses_and_breaks() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let way = Way::open(runtime.handle())?;
    runtime.block_on(async {
        let far = TcpListener::bind("127.0.0.1:0").await?;
        way.lead_to(End::Address(far.local_addr()?));
        let mut near = TcpStream::connect(way.address()).await?;
        let (mut far, _) = far.accept().await?;
        let mut one = [0];
        near.write_all(b"a").await?;
        far.read_exact(&mut one).await?;
        assert_eq!(&one, b"a");

        way.set(Weather::Deaf);
        near.write_all(b"b").await?;
        far.read_exact(&mut one).await?;
        far.write_all(b"c").await?;
        let moment = Duration::from_millis(200);
        let heard = tokio::time::timeout(moment, near.read_exact(&mut one)).await;
        assert!(heard.is_err(), "an answer was not lost");
        way.set(Weather::Slow(moment));
        near.read_exact(&mut one).await?;
        assert_eq!(&one, b"c");

        way.set(Weather::Deaf);
        far.write_all(b"d").await?;
        way.lose();
        assert_eq!(near.read(&mut one).await.unwrap_or(0), 0, "it was lost");
        way.set(Weather::Cut);
        let mut again = TcpStream::connect(way.address()).await?;
        assert_eq!(again.read(&mut one).await.unwrap_or(0), 0);
        Ok(())
    })
}
