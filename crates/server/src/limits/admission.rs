//! Which connections there are: whether one more may come, which stand idle or still, and telling them to end. A connection's
//! task looks at its own [`Connection`] when it is polled anyway; one caretaker for all of them watches the clock, so that a
//! request sets no timer and waits for no lock.

use super::Limits;
use futures_util::task::AtomicWaker;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Time that an idle connection has to end once it was asked to.
const GOODBYE: Duration = Duration::from_secs(5);

/// All connections of a listener.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    open: Mutex<Open>,
    left: Notify,
}

#[derive(Debug, Default)]
struct Open {
    connections: HashMap<u64, Watched>,
    by_address: HashMap<IpAddr, u32>,
    next: u64,
    is_stopping: bool,
}

/// A connection as the caretaker last saw it.
#[derive(Debug)]
struct Watched {
    connection: Arc<Connection>,
    address: IpAddr,
    seen: Seen,
    /// Since when it has been as it is.
    since: Instant,
    asked_to_end: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// No request has come.
    Silent,
    /// An HTTP/2 connection without a request under way, after so many.
    Idle { begun: u64 },
    /// It has not taken a byte more than these.
    Blocked { sent: u64 },
    /// Requests are under way, or HTTP/1.1 watches by itself.
    Busy,
}

/// Why a connection is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnedAway {
    /// There are too many.
    Full,
    /// There are too many from its address.
    FullFromThere,
}

/// What one connection's task and the caretaker tell each other.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    waker: AtomicWaker,
    signal: AtomicU8,
    is_http2: AtomicBool,
    begun: AtomicU64,
    ended: AtomicU64,
    is_blocked: AtomicBool,
    sent: AtomicU64,
    has_unread: AtomicBool,
}

const GO_ON: u8 = 0;
const END: u8 = 1;
const DROP: u8 = 2;

/// What a connection's task is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Go on.
    GoOn,
    /// End after the requests under way.
    End,
    /// End now.
    Drop,
}

impl Connection {
    /// What to do; the task of `context` is woken when that changes.
    pub(crate) fn signal(&self, context: &Context<'_>) -> Signal {
        self.waker.register(context.waker());
        match self.signal.load(Ordering::Acquire) {
            GO_ON => Signal::GoOn,
            END => Signal::End,
            _ => Signal::Drop,
        }
    }

    fn tell(&self, signal: u8) {
        self.signal.fetch_max(signal, Ordering::AcqRel);
        self.waker.wake();
    }

    /// A request has come.
    pub(crate) fn begin(&self, is_http2: bool) {
        if is_http2 {
            self.is_http2.store(true, Ordering::Relaxed);
        }
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// A request of an HTTP/2 connection has been answered, with its body.
    pub(crate) fn end(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// The client took bytes.
    pub(crate) fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
        self.goes_on();
    }

    /// It is not the client that is waited for.
    pub(crate) fn goes_on(&self) {
        if self.is_blocked.load(Ordering::Relaxed) {
            self.is_blocked.store(false, Ordering::Relaxed);
        }
    }

    /// The client takes no bytes now.
    pub(crate) fn blocked(&self) {
        self.is_blocked.store(true, Ordering::Relaxed);
    }

    /// A request was answered before its body was read to the end.
    pub(crate) fn leave_unread(&self) {
        self.has_unread.store(true, Ordering::Relaxed);
    }

    /// Whether the client may still be sending what nobody will read.
    pub(crate) fn has_unread(&self) -> bool {
        self.has_unread.load(Ordering::Relaxed)
    }

    fn seen(&self) -> Seen {
        let begun = self.begun.load(Ordering::Relaxed);
        if self.is_blocked.load(Ordering::Relaxed) {
            let sent = self.sent.load(Ordering::Relaxed);
            return Seen::Blocked { sent };
        }
        if begun == 0 {
            return Seen::Silent;
        }
        let is_idle =
            self.is_http2.load(Ordering::Relaxed) && self.ended.load(Ordering::Relaxed) >= begun;
        if is_idle {
            Seen::Idle { begun }
        } else {
            Seen::Busy
        }
    }
}

/// A connection's place among all; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) connection: Arc<Connection>,
    admission: Arc<Admission>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.leave(self.number);
    }
}

impl Admission {
    /// Lets one more connection in, if there is room.
    pub(crate) fn enter(
        self: &Arc<Self>,
        peer: IpAddr,
        limits: &Limits,
        now: Instant,
    ) -> Result<Place, TurnedAway> {
        let address = identity::network(peer);
        let mut open = self.lock();
        if open.connections.len() >= usize::try_from(limits.connections_max).unwrap_or(usize::MAX) {
            return Err(TurnedAway::Full);
        }
        let from_there = open.by_address.entry(address).or_default();
        if *from_there >= limits.connections_per_address_max {
            return Err(TurnedAway::FullFromThere);
        }
        *from_there += 1;
        let connection = Arc::new(Connection::default());
        if open.is_stopping {
            connection.tell(END);
        }
        let number = open.next;
        open.next = open.next.wrapping_add(1);
        open.connections.insert(
            number,
            Watched {
                connection: Arc::clone(&connection),
                address,
                seen: Seen::Silent,
                since: now,
                asked_to_end: None,
            },
        );
        Ok(Place {
            connection,
            admission: Arc::clone(self),
            number,
        })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.lock().connections.len()
    }

    /// Ends connections that have stood silent, idle or still for too long. To be called every now and then.
    pub(crate) fn look_after(&self, limits: &Limits, now: Instant) {
        for watched in self.lock().connections.values_mut() {
            watched.look(limits, now);
        }
    }

    /// Asks every connection to end after its requests, also those that are still to come.
    pub(crate) fn end_all(&self) {
        let mut open = self.lock();
        open.is_stopping = true;
        for watched in open.connections.values() {
            watched.connection.tell(END);
        }
    }

    /// Ends every connection.
    pub(crate) fn drop_all(&self) {
        for watched in self.lock().connections.values() {
            watched.connection.tell(DROP);
        }
    }

    /// Waits until there is none.
    pub(crate) async fn empty(&self) {
        loop {
            let left = self.left.notified();
            if self.count() == 0 {
                return;
            }
            left.await;
        }
    }

    fn leave(&self, number: u64) {
        let mut open = self.lock();
        let address = open
            .connections
            .remove(&number)
            .map(|watched| watched.address);
        if let Some(address) = address
            && let Some(from_there) = open.by_address.get_mut(&address)
        {
            *from_there = from_there.saturating_sub(1);
            if *from_there == 0 {
                open.by_address.remove(&address);
            }
        }
        let was_last = open.connections.is_empty();
        drop(open);
        if was_last {
            self.left.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn look(&mut self, limits: &Limits, now: Instant) {
        let seen = self.connection.seen();
        if seen != self.seen || seen == Seen::Busy {
            self.seen = seen;
            self.since = now;
            // A request came while it was asked to end; it may be answered.
            self.asked_to_end = self.asked_to_end.map(|_| now);
            return;
        }
        let stood = now.saturating_duration_since(self.since);
        match seen {
            Seen::Silent if stood >= limits.head_timeout => self.connection.tell(DROP),
            Seen::Blocked { .. } if stood >= limits.body_timeout => self.connection.tell(DROP),
            Seen::Idle { .. } if stood >= limits.head_timeout => match self.asked_to_end {
                None => {
                    self.asked_to_end = Some(now);
                    self.connection.tell(END);
                }
                Some(asked) if now.saturating_duration_since(asked) >= GOODBYE => {
                    self.connection.tell(DROP);
                }
                Some(_) => {}
            },
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            connections_max: 3,
            connections_per_address_max: 2,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(60),
            ..Limits::default()
        }
    }

    fn enter(admission: &Arc<Admission>, peer: &str) -> Result<Place, TurnedAway> {
        admission.enter(peer.parse().unwrap(), &limits(), Instant::now())
    }

    fn told(place: &Place) -> Signal {
        let waker = std::task::Waker::noop();
        place.connection.signal(&Context::from_waker(waker))
    }

    #[test]
    fn there_is_room_for_so_many_and_so_many_from_one_place() {
        let admission = Arc::new(Admission::default());
        let first = enter(&admission, "2001:db8::1").unwrap();
        let _second = enter(&admission, "2001:db8::2").unwrap();
        assert_eq!(
            enter(&admission, "2001:db8::3").unwrap_err(),
            TurnedAway::FullFromThere
        );
        let _third = enter(&admission, "192.0.2.1").unwrap();
        assert_eq!(
            enter(&admission, "192.0.2.2").unwrap_err(),
            TurnedAway::Full
        );
        drop(first);
        assert!(
            enter(&admission, "2001:db8::3").is_ok(),
            "a place became free"
        );
    }

    #[test]
    fn who_says_nothing_is_dropped_and_who_is_idle_is_asked_to_go() {
        let (admission, start) = (Arc::new(Admission::default()), Instant::now());
        let peer = "192.0.2.1".parse().unwrap();
        let silent = admission.enter(peer, &limits(), start).unwrap();
        let idle = admission.enter(peer, &limits(), start).unwrap();
        idle.connection.begin(true);
        let at = |seconds| start + Duration::from_secs(seconds);
        admission.look_after(&limits(), at(1));
        assert_eq!(told(&idle), Signal::GoOn);
        idle.connection.end();
        for second in 2..32 {
            admission.look_after(&limits(), at(second));
            assert_eq!(told(&idle), Signal::GoOn, "{second}");
        }
        assert_eq!(told(&silent), Signal::Drop);
        admission.look_after(&limits(), at(32));
        assert_eq!(told(&idle), Signal::End);
        admission.look_after(&limits(), at(38));
        assert_eq!(told(&idle), Signal::Drop);
    }

    #[test]
    fn a_request_under_way_is_left_alone_while_its_bytes_are_taken() {
        let (admission, start) = (Arc::new(Admission::default()), Instant::now());
        let peer = "192.0.2.1".parse().unwrap();
        let place = admission.enter(peer, &limits(), start).unwrap();
        place.connection.begin(false);
        let at = |seconds| start + Duration::from_secs(seconds);
        for second in 1..300 {
            place.connection.sent(1);
            place.connection.blocked();
            admission.look_after(&limits(), at(second));
        }
        assert_eq!(told(&place), Signal::GoOn);
        admission.look_after(&limits(), at(358));
        assert_eq!(told(&place), Signal::GoOn);
        admission.look_after(&limits(), at(360));
        assert_eq!(told(&place), Signal::Drop, "nothing was taken for a minute");
    }

    #[tokio::test]
    async fn stopping_asks_all_and_waits_for_the_last() {
        let admission = Arc::new(Admission::default());
        let before = enter(&admission, "192.0.2.1").unwrap();
        admission.end_all();
        let after = enter(&admission, "192.0.2.2").unwrap();
        assert_eq!((told(&before), told(&after)), (Signal::End, Signal::End));
        let waiting = tokio::spawn({
            let admission = Arc::clone(&admission);
            async move { admission.empty().await }
        });
        drop(before);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(after);
        waiting.await.unwrap();
    }
}
