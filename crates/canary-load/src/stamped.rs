//! A TCP connection that knows when its bytes reached this machine, whenever they are read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// When the last bytes of a connection reached this machine. Clones tell of the same connection.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    base: Instant,
    /// Nanoseconds since `base`; 0: not known.
    nanos: Arc<AtomicU64>,
}

impl Heard {
    fn new() -> Self {
        Self { base: Instant::now(), nanos: Arc::default() }
    }

    fn set(&self, at: Option<Instant>) {
        let nanos = at.map_or(0, |at| at.saturating_duration_since(self.base).as_nanos());
        self.nanos.store(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// `None` where the system does not tell.
    pub(crate) fn last(&self) -> Option<Instant> {
        match self.nanos.load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(self.base + Duration::from_nanos(nanos)),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Stamped {
    stream: TcpStream,
    heard: Heard,
    /// Where the system puts its stamp; none: it was not willing to.
    #[cfg(target_os = "linux")]
    room: Option<Vec<u8>>,
}

impl Stamped {
    /// Stamps cost the system a little, so that they have to be wanted.
    pub(crate) fn new(stream: TcpStream, wants_stamps: bool) -> Self {
        Self {
            #[cfg(target_os = "linux")]
            room: wants_stamps.then(|| linux::ask_for_stamps(&stream)).flatten(),
            stream,
            heard: Heard::new(),
        }
    }

    pub(crate) fn heard(&self) -> Heard {
        self.heard.clone()
    }
}

impl AsyncRead for Stamped {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        #[cfg(target_os = "linux")]
        if let Some(room) = &mut this.room {
            return linux::poll_read(&this.stream, room, &this.heard, cx, buf);
        }
        Pin::new(&mut this.stream).poll_read(cx, buf)
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{self, IoSliceMut};
    use std::os::fd::AsRawFd;
    use std::task::{Context, Poll, ready};
    use std::time::{Duration, Instant, SystemTime};

    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
    use nix::sys::time::TimeSpec;
    use tokio::io::{Interest, ReadBuf};
    use tokio::net::TcpStream;

    use super::Heard;

    /// A stamp older than that comes from a clock that was set meanwhile.
    const CREDIBLE: Duration = Duration::from_secs(60);

    /// Bytes read at once: most answers. More would have to be zeroed first.
    const STEP: usize = 4096;

    pub(super) fn ask_for_stamps(stream: &TcpStream) -> Option<Vec<u8>> {
        setsockopt(stream, sockopt::ReceiveTimestampns, &true).ok()?;
        Some(nix::cmsg_space!(TimeSpec))
    }

    pub(super) fn poll_read(
        stream: &TcpStream,
        room: &mut [u8],
        heard: &Heard,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let free = buf.remaining();
        if free == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            ready!(stream.poll_read_ready(cx))?;
            let into = buf.initialize_unfilled_to(free.min(STEP));
            let step = into.len();
            match stream.try_io(Interest::READABLE, || receive(stream, into, room)) {
                Ok((length, at)) => {
                    heard.set(at);
                    buf.advance(length);
                    if length > 0 && length < step {
                        // There is no more; what comes later is told anew. This saves asking for it in vain.
                        let nothing: io::Result<()> =
                            stream.try_io(Interest::READABLE, || Err(io::ErrorKind::WouldBlock.into()));
                        debug_assert!(nothing.is_err());
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn receive(stream: &TcpStream, into: &mut [u8], room: &mut [u8]) -> io::Result<(usize, Option<Instant>)> {
        let mut parts = [IoSliceMut::new(into)];
        let message = recvmsg::<()>(stream.as_raw_fd(), &mut parts, Some(room), MsgFlags::empty())?;
        let stamp = message.cmsgs().into_iter().flatten().find_map(|part| {
            if let ControlMessageOwned::ScmTimestampns(stamp) = part { Some(stamp) } else { None }
        });
        Ok((message.bytes, stamp.and_then(on_our_clock)))
    }

    /// Stamps are of the clock that people read, which can be set; latencies are not.
    fn on_our_clock(stamp: TimeSpec) -> Option<Instant> {
        let stamp = SystemTime::UNIX_EPOCH.checked_add(Duration::from(stamp))?;
        let age = SystemTime::now().duration_since(stamp).ok().filter(|age| *age < CREDIBLE)?;
        Instant::now().checked_sub(age)
    }
}

impl AsyncWrite for Stamped {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> io::Result<(Stamped, TcpStream)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let near = TcpStream::connect(listener.local_addr()?).await?;
        Ok((Stamped::new(near, true), listener.accept().await?.0))
    }

    #[tokio::test]
    async fn bytes_count_from_when_they_came_and_not_from_when_they_are_read() {
        let (mut near, mut far) = pair().await.unwrap();
        let heard = near.heard();
        assert_eq!(heard.last(), None);
        // The system begins to stamp some time after it was asked to.
        while heard.last().is_none() {
            far.write_all(&[0]).await.unwrap();
            assert_eq!(near.read_u8().await.unwrap(), 0);
        }
        let before = Instant::now();
        far.write_all(b"hello").await.unwrap();
        let sent = Instant::now();
        // Whoever reads late is a thread that is elsewhere.
        let late = sent + Duration::from_millis(20);
        while Instant::now() < late {
            std::hint::spin_loop();
        }
        let mut buffer = [0; 16];
        assert_eq!(near.read(&mut buffer).await.unwrap(), 5);
        let at = heard.last().unwrap();
        let exact = Duration::from_millis(5);
        assert!(before < at + exact && at < sent + exact, "{:?} after it was sent", at - before);
    }

    #[tokio::test]
    async fn nothing_is_missed_when_bytes_come_one_by_one_and_the_end_is_seen() {
        let (mut near, mut far) = pair().await.unwrap();
        for byte in 0..100_u8 {
            far.write_all(&[byte]).await.unwrap();
            assert_eq!(near.read_u8().await.unwrap(), byte);
        }
        far.write_all(&[7; 3]).await.unwrap();
        let mut two = [0; 2];
        near.read_exact(&mut two).await.unwrap();
        drop(far);
        let mut rest = Vec::new();
        near.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, [7]);
    }
}
