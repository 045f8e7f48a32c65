//! The log: a request's line when it is asked for, refusals always, secrets never.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::world::{PASSWORD, World, authorization};

/// What was logged by this thread: the server of these tests runs on it.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, " {}={value}", field.name()).unwrap();
    }
}

impl<S: Subscriber> Layer<S> for Page {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut line = Line(event.metadata().target().to_owned());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
}

impl Page {
    fn open(filter: &str) -> (Self, DefaultGuard) {
        // Whoever logs first, on a thread that has no page, would settle for all threads that nobody wants to hear it.
        static UNDECIDED: Once = Once::new();
        UNDECIDED.call_once(|| {
            let undecided = tracing_subscriber::registry().with(dynamic_filter_fn(|_, _| false));
            tracing::subscriber::set_global_default(undecided).unwrap();
        });
        let page = Self::default();
        let log = tracing_subscriber::registry()
            .with(page.clone())
            .with(EnvFilter::new(filter));
        let guard = tracing::subscriber::set_default(log);
        (page, guard)
    }

    /// The lines that hold a text.
    fn lines(&self, text: &str) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        let found = lines.iter().filter(|line| line.contains(text));
        found.cloned().collect()
    }
}

#[tokio::test]
async fn each_request_has_a_line_when_they_are_asked_for() {
    let (page, _guard) = Page::open("warn,access=info");
    let world = World::new().await;
    world.push("shop/web", "1").await;
    let who = authorization("admin");
    let answer = world
        .say(
            format!(
                "GET /v2/shop/web/manifests/1?secret=word HTTP/1.1\r\nhost: localhost\r\n{who}x-request-id: theirs-1\r\nconnection: close\r\n\r\n"
            )
            .as_bytes(),
        )
        .await
        .expect(200);
    let id = answer.header("x-request-id");
    assert_ne!(id, "theirs-1");
    let lines = page.lines(&format!("request={id}"));
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in [
        "access",
        "method=GET",
        "path=/v2/shop/web/manifests/1 ",
        "status=200",
        &format!("bytes={}", answer.body.len()),
        "principal=admin",
        "peer=127.0.0.1:",
        "client_request=theirs-1",
        "milliseconds=",
    ] {
        assert!(lines[0].contains(part), "{part}: {}", lines[0]);
    }
    let pushed = page.lines("method=PUT");
    assert!(!pushed[0].contains("received=0"), "{pushed:?}");
    for secret in [PASSWORD, "secret=word", who.trim()] {
        assert_eq!(page.lines(secret), Vec::<String>::new());
    }
}

#[tokio::test]
async fn refusals_are_logged_and_ordinary_requests_are_not() {
    let (page, _guard) = Page::open("warn,server=info");
    let world = World::new().await;
    world.person("wim", "reader").await;
    world.ask_as("", "GET", "/v2/", "").await.expect(401);
    world
        .ask("GET", "/v2/shop/web/manifests/1", "")
        .await
        .expect(404);
    assert_eq!(page.lines("server"), Vec::<String>::new());

    world
        .ask_as("wim", "PUT", "/v2/shop/web/manifests/1", "{}")
        .await
        .expect(403);
    world
        .ask("GET", "/v2/shop/%2e%2e%2f/manifests/1", "")
        .await
        .expect(400);
    world
        .say(b"GET /v2/ HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer cst_wrong\r\nconnection: close\r\n\r\n")
        .await
        .expect(401);
    world
        .say(b"\x16\x03\x01 not http\r\n\r\n")
        .await
        .expect(400);
    for parts in [
        &[
            "status=403",
            "principal=wim",
            "method=PUT",
            "peer=127.0.0.1:",
            "reason=",
        ][..],
        &[
            "status=400",
            "path=/v2/shop/%2e%2e%2f/manifests/1",
            "is not a repository name",
        ],
        &["status=401", "path=/v2/ peer=", "the token is not valid"],
        &["could not be read", "peer=127.0.0.1:"],
    ] {
        let lines = page.lines("server");
        let is_there = |line: &&String| parts.iter().all(|part| line.contains(part));
        assert_eq!(
            lines.iter().filter(is_there).count(),
            1,
            "{parts:?}: {lines:#?}"
        );
    }
    assert_eq!(page.lines("cst_wrong"), Vec::<String>::new());
}

#[tokio::test]
async fn a_flood_of_refusals_does_not_fill_the_log() {
    let (page, _guard) = Page::open("warn,server=info");
    let world = World::new().await;
    for _ in 0..200 {
        world
            .ask_as("", "GET", "/v2/UPPER/manifests/1", "")
            .await
            .expect(400);
    }
    let lines = page.lines("status=400").len();
    // A second window may begin while this runs.
    assert!((50..=150).contains(&lines), "{lines}");
}
