//! Watches: a stream of JSON lines that ends when its time is over, or when its past is forgotten.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use http_body::Frame;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::agenda::Work;
use crate::cluster::{Cluster, Resource};
use crate::errors::ApiError;
use crate::kinds::KindId;
use crate::paths::Query;
use crate::rendering::Form;
use crate::sandbox::Shared;
use crate::selector::Selector;
use crate::store::{Change, Ending, OpenWatch};

/// How long a watch lasts that states no time-out; a real server draws one of 30 to 60 minutes.
const LASTS: i64 = 1_800;
/// A real server sends bookmarks about every minute, and before the end.
const BOOKMARK_EVERY: i64 = 60;
const BOOKMARK_BEFORE_END: i64 = 2;

/// The body of a watch.
pub(crate) struct WatchStream {
    shared: Arc<Shared>,
    id: u64,
    kind: KindId,
    namespace: String,
    selector: Selector,
    form: Form,
    /// Changes up to here were sent.
    cursor: u64,
    /// The client knows that changes up to here were sent.
    marked: u64,
    waiting: VecDeque<Bytes>,
    over: bool,
}

impl Cluster {
    /// Opens a watch, planning its bookmarks and its end.
    pub(crate) fn watch(
        &mut self,
        shared: &Arc<Shared>,
        resource: &Resource,
        query: &Query,
        form: Form,
    ) -> Result<WatchStream, ApiError> {
        let selector = Selector::parse(&query.labels, &query.fields)?;
        let id = self.draw();
        let version = &query.resource_version;
        let from_now = matches!(version.as_str(), "" | "0") || query.send_initial;
        let mut waiting = VecDeque::new();
        let cursor = if from_now {
            for object in
                self.store.table(resource.id).iter(&resource.namespace).filter(|o| selector.matches(o))
            {
                waiting.push_back(line("ADDED", &form.value(object)));
            }
            if query.send_initial {
                waiting.push_back(line("BOOKMARK", &form.bookmark(self.store.revision(), true)));
            }
            self.store.revision()
        } else {
            version.parse().map_err(|_| {
                ApiError::bad_request(format!("Invalid value: {version:?}: not a resource version"))
            })?
        };
        let lasts = query.timeout_seconds.map_or(LASTS, i64::from);
        let after =
            |seconds: i64| self.now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(self.now);
        self.agenda.plan(after(lasts), Work::EndWatch(resource.id, id));
        if query.bookmarks {
            let first = BOOKMARK_EVERY.min(lasts - BOOKMARK_BEFORE_END).max(0);
            self.agenda.plan(after(first), Work::Bookmark(resource.id, id));
        }
        self.store.table_mut(resource.id).watches.insert(id, OpenWatch::default());
        Ok(WatchStream {
            shared: Arc::clone(shared),
            id,
            kind: resource.id,
            namespace: resource.namespace.clone(),
            selector,
            form,
            cursor,
            marked: cursor,
            waiting,
            over: false,
        })
    }

    pub(crate) fn end_watch(&mut self, kind: KindId, watch: u64) {
        self.finish_watches(kind, Ending::TimedOut, |id| id == watch);
    }

    pub(crate) fn send_bookmark(&mut self, kind: KindId, watch: u64) {
        let next = self.now.checked_add(SignedDuration::from_secs(BOOKMARK_EVERY)).unwrap_or(self.now);
        let table = self.store.table_mut(kind);
        let Some(open) = table.watches.get_mut(&watch) else { return };
        open.bookmark_due = true;
        table.wake();
        self.agenda.plan(next, Work::Bookmark(kind, watch));
    }

    /// Tells watches of that kind nothing until `time` has passed.
    pub(crate) fn hold_watches(&mut self, kind: KindId, time: Duration) {
        let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        let until = self.now.checked_add(time).unwrap_or(self.now);
        self.store.table_mut(kind).held = true;
        self.agenda.cancel(&Work::ReleaseWatches(kind));
        self.agenda.plan(until, Work::ReleaseWatches(kind));
    }

    pub(crate) fn release_watches(&mut self, kind: KindId) {
        let table = self.store.table_mut(kind);
        table.held = false;
        table.wake();
    }

    /// Tells all watches of that kind the last changes once more.
    pub(crate) fn repeat_changes(&mut self, kind: KindId, count: usize) {
        let table = self.store.table_mut(kind);
        for open in table.watches.values_mut() {
            open.repeat = count;
        }
        table.wake();
    }

    pub(crate) fn finish_watches(&mut self, kind: KindId, ending: Ending, which: impl Fn(u64) -> bool) {
        let table = self.store.table_mut(kind);
        for (_, open) in table.watches.iter_mut().filter(|(id, _)| which(**id)) {
            open.ending = Some(ending);
        }
        table.wake();
    }
}

impl WatchStream {
    /// Moves what happened since the last look into `waiting`; says how the watch ends, if it does.
    fn collect(&mut self, cluster: &mut Cluster, context: &Context<'_>) -> Option<Ending> {
        let table = cluster.store.table_mut(self.kind);
        let ending = table.watches.get(&self.id).map_or(Some(Ending::Cut), |open| open.ending);
        if matches!(ending, Some(Ending::Cut | Ending::Expired)) {
            return ending;
        }
        let repeat = table.watches.get_mut(&self.id).map_or(0, |open| std::mem::take(&mut open.repeat));
        for change in table.last_changes(self.cursor, repeat) {
            self.waiting.extend(event(change, &self.namespace, &self.selector, &self.form));
        }
        if table.held {
            if let Some(open) = table.watches.get_mut(&self.id) {
                open.waker = Some(context.waker().clone());
            }
            return ending;
        }
        let Some(changes) = table.changes_after(self.cursor) else { return Some(Ending::Expired) };
        for change in changes {
            self.waiting.extend(event(change, &self.namespace, &self.selector, &self.form));
            self.cursor = change.revision;
        }
        if let Some(open) = table.watches.get_mut(&self.id) {
            // A real server has nothing to mark before the kind has changed.
            if std::mem::take(&mut open.bookmark_due) && self.cursor > self.marked {
                self.marked = self.cursor;
                self.waiting.push_back(line("BOOKMARK", &self.form.bookmark(self.cursor, false)));
            }
            open.waker = Some(context.waker().clone());
        }
        ending
    }
}

/// The event of a change, for whoever sees only a selection of the objects.
fn event(change: &Change, namespace: &str, selector: &Selector, form: &Form) -> Option<Bytes> {
    let object = &change.object;
    if !namespace.is_empty() && object["metadata"]["namespace"] != namespace {
        return None;
    }
    let before = change.before.as_ref().is_some_and(|b| selector.matches(b));
    let after = !change.deleted && selector.matches(object);
    let kind = match (before, after) {
        (false, true) => "ADDED",
        (true, true) => "MODIFIED",
        (true, false) => "DELETED",
        (false, false) => return None,
    };
    if kind == "DELETED"
        && !change.deleted
        && let Some(before) = &change.before
    {
        // What left the selection is shown as it was last selected, under the version of the change.
        let mut last = (**before).clone();
        last["metadata"]["resourceVersion"] = object["metadata"]["resourceVersion"].clone();
        return Some(line(kind, &form.value(&last)));
    }
    Some(line(kind, &form.value(object)))
}

fn line(kind: &str, object: &Value) -> Bytes {
    let mut text = json!({ "type": kind, "object": object }).to_string();
    text.push('\n');
    text.into()
}

impl Stream for WatchStream {
    type Item = Result<Frame<Bytes>, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Some(bytes) = this.waiting.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if this.over {
            return Poll::Ready(None);
        }
        let shared = Arc::clone(&this.shared);
        let ending = this.collect(&mut shared.lock(), context);
        match ending {
            Some(Ending::TimedOut) => this.over = true,
            Some(Ending::Expired) => {
                let text = format!("too old resource version: {}", this.cursor);
                this.waiting.push_back(line("ERROR", &ApiError::expired(text).to_status()));
                this.over = true;
            }
            Some(Ending::Cut) => {
                this.over = true;
                return Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into())));
            }
            None => {}
        }
        match this.waiting.pop_front() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None if this.over => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl Drop for WatchStream {
    fn drop(&mut self) {
        let mut cluster = self.shared.lock();
        cluster.store.table_mut(self.kind).watches.remove(&self.id);
        cluster.agenda.cancel(&Work::EndWatch(self.kind, self.id));
        cluster.agenda.cancel(&Work::Bookmark(self.kind, self.id));
    }
}
