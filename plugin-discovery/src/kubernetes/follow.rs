//! Lists the slices of a Service and watches them, over one connection at a time.
//!
//! What was found is published from what all slices together say, and is never dropped on the way: a new list is put
//! together beside the old one.

use std::time::Duration;

use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout};

use super::{
    KubernetesConfig, body,
    connection::{Connection, Place, unreachable},
    failure::Failure,
    files::Reader,
    lines::{LONGEST_LINE, Lines},
    object::{Event, List, Object},
    query::Query,
    slices::{Found, MOST_ENDPOINTS, MOST_SLICES, Slices, TooMany},
    status,
};
use crate::{FaultKind, Publisher};

/// The largest page of a list that is read.
const LARGEST_PAGE: usize = 64 * 1024 * 1024;

/// The most that is read of an answer that is no success.
const LARGEST_REFUSAL: usize = 64 * 1024;

/// The most pages of one list.
const MOST_PAGES: usize = 10_000;

/// A watch that lasted for so long was one, though nothing has changed meanwhile.
const OF_USE: Duration = Duration::from_secs(1);

/// What is known, and how it goes on from there.
#[derive(Debug)]
pub(super) struct Follow {
    config: KubernetesConfig,
    publisher: Publisher,
    slices: Slices,
    /// Where a watch begins. `None`: everything is listed first.
    version: Option<String>,
    connection: Option<Connection>,
    files: Reader,
    /// Which server and namespace `version` is of.
    place: Option<Place>,
    was_of_use: bool,
}

/// How a watch ended without a failure.
enum End {
    /// In order, by the time that it was asked for.
    Over,
    /// What it was to go on from is forgotten: everything is listed again.
    Gone,
    /// Its connection ended, or nothing came of it for too long.
    Lost(Failure),
}

impl Follow {
    pub(super) fn new(config: KubernetesConfig, publisher: Publisher) -> Self {
        let slices = Slices::new(config.port.clone(), config.family);
        Self {
            config,
            publisher,
            slices,
            version: None,
            connection: None,
            files: Reader::default(),
            place: None,
            was_of_use: false,
        }
    }

    /// Whether the last try had a watch that was one.
    pub(super) fn was_of_use(&self) -> bool {
        self.was_of_use
    }

    /// Connects if need be, lists if need be, and watches until that ends. It is no failure when a watch ends that was one:
    /// the next is made.
    pub(super) async fn try_once(&mut self) -> Result<(), Failure> {
        self.was_of_use = false;
        let tried = self.list_and_watch().await;
        if tried.as_ref().is_err_and(|failure| failure.lists_again) {
            self.version = None;
        }
        tried
    }

    async fn list_and_watch(&mut self) -> Result<(), Failure> {
        let kept = self.connection.take().filter(Connection::is_open);
        let was_kept = kept.is_some();
        let mut connection = match kept {
            Some(connection) => connection,
            None => Connection::open(&self.config, &self.files).await?,
        };
        if self.place.as_ref() != Some(connection.place()) {
            self.version = None;
            self.place = Some(connection.place().clone());
        }
        let has_listed = self.version.is_none();
        let version = match &self.version {
            Some(version) => version.clone(),
            None => self.list(&mut connection).await?,
        };
        self.version = Some(version.clone());
        let answer = match self.ask_to_watch(&mut connection, &version).await {
            // The server has closed it meanwhile, as one that ends does: another may have its place.
            Err(failure) if was_kept && failure.kind == FaultKind::Unreachable => return Ok(()),
            answer => answer?,
        };
        match self.watch(&connection, answer).await? {
            End::Over => self.connection = Some(connection),
            End::Gone => {
                self.version = None;
                if has_listed && !self.was_of_use {
                    let message = "the API server has forgotten what it listed before it could be watched";
                    return Err(Failure::new(FaultKind::Refused, message));
                }
            }
            End::Lost(failure) if failure.lists_again || !self.was_of_use => return Err(failure),
            End::Lost(_) => {}
        }
        Ok(())
    }

    /// Lists all slices, in pages, publishes what they say, and gives back the version that they are of.
    async fn list(&mut self, connection: &mut Connection) -> Result<String, Failure> {
        let limit = self.config.request_timeout;
        let (mut slices, mut next, mut is_whole) = (self.slices.cleared(), None, false);
        for _ in 0..MOST_PAGES {
            let query = query(&self.config, connection);
            let path = if is_whole { query.whole() } else { query.page(next.as_deref()) };
            let answer = connection.get(&path, limit).await?;
            let status = answer.status();
            if status == StatusCode::GONE && !is_whole {
                // It took too long from page to page. One that has no pages is taken from what holds at one moment.
                body::read(answer, LARGEST_REFUSAL, limit).await?;
                (slices, next, is_whole) = (self.slices.cleared(), None, true);
                continue;
            }
            if status != StatusCode::OK {
                return Err(self.refused(connection, answer).await);
            }
            let body = body::read(answer, LARGEST_PAGE, limit).await?;
            let list: List =
                serde_json::from_slice(&body).map_err(|error| unreadable("the list of EndpointSlices", &error))?;
            for object in list.items.iter().flatten() {
                slices.apply(object).map_err(|TooMany| too_many())?;
            }
            next = list.metadata.next_page.filter(|next| !next.is_empty());
            if next.is_none() {
                self.slices = slices;
                self.say();
                let version = list.metadata.resource_version.filter(|version| !version.is_empty());
                return version
                    .ok_or_else(|| Failure::new(FaultKind::Unreadable, "the list of EndpointSlices has no version"));
            }
        }
        Err(Failure::new(FaultKind::Unreadable, format!("the list of EndpointSlices has more than {MOST_PAGES} pages")))
    }

    async fn ask_to_watch(&self, connection: &mut Connection, version: &str) -> Result<Response<Incoming>, Failure> {
        // Not all at the same time: many programs may have been started together.
        let time = self.config.watch_timeout.mul_f64(0.5 + fastrand::f64() / 2.0);
        let path = query(&self.config, connection).watch(version, time);
        connection.get(&path, self.config.request_timeout).await
    }

    async fn watch(&mut self, connection: &Connection, answer: Response<Incoming>) -> Result<End, Failure> {
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::GONE => return Ok(End::Gone),
            status => {
                let failure = self.refused(connection, answer).await;
                let is_for_later = matches!(status.as_u16(), 401 | 403 | 429 | 500..);
                return Err(if is_for_later { failure } else { failure.listing_again() });
            }
        }
        // What was known holds as of that version, and a fault that there was is over.
        self.say();
        let began = Instant::now();
        let end = self.events(answer.into_body()).await;
        self.was_of_use |= began.elapsed() >= OF_USE;
        end
    }

    /// Takes in what a watch says until it ends.
    async fn events(&mut self, mut body: Incoming) -> Result<End, Failure> {
        let silence = self.config.silence_timeout;
        let mut lines = Lines::default();
        loop {
            let piece = match timeout(silence, body.frame()).await {
                Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
                Ok(Some(Err(error))) => return Ok(End::Lost(unreachable("the watch was cut off", &error))),
                Ok(None) if lines.is_empty() => return Ok(End::Over),
                Ok(None) => {
                    let message = "the watch ended in the middle of a line";
                    return Ok(End::Lost(Failure::new(FaultKind::Unreachable, message)));
                }
                Err(_) => return Ok(self.silent(silence)),
            };
            lines.push(piece);
            // What came together is published together.
            let mut has_changed = false;
            let taken = self.take_in(&mut lines, &mut has_changed);
            if has_changed {
                self.say();
            }
            if let Some(end) = taken? {
                return Ok(end);
            }
        }
    }

    /// Nothing came for too long. Where something had come before, a new watch goes on from there; where nothing ever did, it may
    /// be that nothing can come, and what holds is asked for.
    fn silent(&mut self, silence: Duration) -> End {
        if self.was_of_use {
            return End::Lost(Failure::new(
                FaultKind::Unreachable,
                format!("nothing came of the watch for {silence:?}"),
            ));
        }
        End::Gone
    }

    fn take_in(&mut self, lines: &mut Lines, has_changed: &mut bool) -> Result<Option<End>, Failure> {
        loop {
            let line = lines.next().map_err(|_| {
                let message = format!("a line of the watch is longer than {LONGEST_LINE} bytes");
                Failure::new(FaultKind::Unreadable, message).listing_again()
            })?;
            let Some(line) = line else { return Ok(None) };
            let event: Event = serde_json::from_slice(&line)
                .map_err(|error| unreadable("a line of the watch", &error).listing_again())?;
            *has_changed |= match event.kind.as_str() {
                "ADDED" | "MODIFIED" => {
                    self.slices.apply(&event.object).map_err(|TooMany| too_many().listing_again())?
                }
                "DELETED" => event.object.metadata.name.as_deref().is_some_and(|name| self.slices.remove(name)),
                "ERROR" if event.object.is_gone() => return Ok(Some(End::Gone)),
                "ERROR" => return Err(status::reported(&event.object)),
                _ => false,
            };
            self.came(event.object);
        }
    }

    /// Whatever it was: the API server is there, and this is how far it has told.
    fn came(&mut self, object: Object) {
        self.was_of_use = true;
        if let Some(version) = object.metadata.resource_version.filter(|version| !version.is_empty()) {
            self.version = Some(version);
        }
        self.publisher.confirm();
    }

    /// Publishes what all slices together say.
    fn say(&self) {
        let service = &self.config.service;
        let failure = match self.slices.found() {
            Found::Set(set) => return self.publisher.publish(set),
            Found::NoEndpoint => Failure::new(
                FaultKind::Empty,
                format!("Service `{service}` has no endpoint that is ready, nor one that ends and still serves"),
            ),
            Found::NoSlice => Failure::new(
                FaultKind::Absent,
                format!("Service `{service}` has no EndpointSlice: there is no such Service, or it has no selector"),
            ),
            Found::NoPort(others) => {
                let port = &self.config.port;
                let message = format!("no endpoint of Service `{service}` has {port}: they have {others}");
                Failure::new(FaultKind::Absent, message)
            }
        };
        self.publisher.fault(failure.kind, &failure.message);
    }

    async fn refused(&self, connection: &Connection, answer: Response<Incoming>) -> Failure {
        let (status, headers) = (answer.status(), answer.headers().clone());
        // Who refuses and does not say why has refused.
        let body = body::read(answer, LARGEST_REFUSAL, self.config.request_timeout).await.unwrap_or_default();
        status::refused(status, &headers, &body, &query(&self.config, connection))
    }
}

fn query<'a>(config: &'a KubernetesConfig, connection: &'a Connection) -> Query<'a> {
    let namespace = config.namespace.as_deref().or(connection.place().namespace.as_deref());
    Query { namespace: namespace.unwrap_or("default"), service: &config.service }
}

fn unreadable(what: &str, cause: &serde_json::Error) -> Failure {
    Failure::because(FaultKind::Unreadable, format!("{what} cannot be read"), cause)
}

fn too_many() -> Failure {
    Failure::new(
        FaultKind::Unreadable,
        format!("the Service has more than {MOST_ENDPOINTS} endpoints or {MOST_SLICES} slices"),
    )
}
