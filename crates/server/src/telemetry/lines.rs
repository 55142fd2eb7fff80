//! The queue of log lines, and the one thread that writes them. Logging never waits and never fails, even if the disk
//! is full or the pipe is closed or not read. A line that cannot be written is dropped and counted.
//!
//! `tracing-appender` counts only lines that do not fit into its queue, not those that cannot be written, prints to
//! the same standard error when a flush fails, and depends on a library of dates.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::metrics::LOG_LINES_DROPPED;
use metrics::counter;
use parking_lot::{Condvar, Mutex};
use tracing::warn;

use crate::bounds::{LOG_BYTES_MAX, LOG_FLUSH_MAX};

/// The queue of lines.
#[derive(Default)]
pub(super) struct Lines {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<Box<[u8]>>,
    bytes: usize,
    /// A line that has left the queue is being written.
    writing: bool,
}

impl Lines {
    /// Starts the thread that writes to `out`.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(super) fn start(mut out: impl Write + Send + 'static) -> io::Result<Arc<Self>> {
        let lines = Arc::new(Self::default());
        let writing = Arc::clone(&lines);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || writing.write_to(&mut out))?;
        Ok(lines)
    }

    /// Queues a whole line with its newline.
    pub(super) fn push(&self, line: &[u8]) {
        let mut waiting = self.waiting.lock();
        if waiting.bytes + line.len() > LOG_BYTES_MAX {
            drop(waiting);
            return self.drop_one();
        }
        waiting.bytes += line.len();
        waiting.lines.push_back(line.into());
        drop(waiting);
        self.changed.notify_all();
    }

    /// Waits briefly until everything is written or dropped.
    pub(super) fn flush(&self) {
        let mut waiting = self.waiting.lock();
        let under_way = |waiting: &mut Waiting| waiting.writing || !waiting.lines.is_empty();
        let at_most = LOG_FLUSH_MAX;
        self.changed.wait_while_for(&mut waiting, under_way, at_most);
    }

    /// Shows the number of dropped lines in the metrics.
    pub(super) fn show_dropped(&self) {
        counter!(LOG_LINES_DROPPED).absolute(self.dropped.load(Ordering::Relaxed));
    }

    fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        self.show_dropped();
    }

    /// Writes while the process lives.
    fn write_to(&self, out: &mut impl Write) {
        let mut torn = false;
        let mut told = 0;
        loop {
            let line = self.next();
            match write_line(out, &line, &mut torn) {
                Ok(()) => {
                    let dropped = self.dropped.load(Ordering::Relaxed);
                    if dropped > told {
                        warn!(
                            lines = dropped - told,
                            "log lines were dropped because they could not be written"
                        );
                        told = dropped;
                    }
                }
                Err(_) => self.drop_one(),
            }
        }
    }

    /// Waits for the next line to write.
    fn next(&self) -> Box<[u8]> {
        let mut waiting = self.waiting.lock();
        loop {
            if let Some(line) = waiting.lines.pop_front() {
                waiting.bytes -= line.len();
                waiting.writing = true;
                return line;
            }
            waiting.writing = false;
            self.changed.notify_all();
            self.changed.wait(&mut waiting);
        }
    }
}

/// Writes a line. `torn`: the line before was cut short, because there was no room for the rest.
fn write_line(out: &mut impl Write, line: &[u8], torn: &mut bool) -> io::Result<()> {
    let end = if *torn { &b"\n"[..] } else { &[] };
    for mut rest in [end, line] {
        while !rest.is_empty() {
            match out.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    rest = &rest[written..];
                    *torn = true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    *torn = false;
    out.flush()
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::atomic::Ordering;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::{LOG_BYTES_MAX, Lines, write_line};

    /// A writer that takes this many bytes, then none.
    struct Room(Vec<u8>, usize);

    impl Write for Room {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let fits = bytes.len().min(self.1 - self.0.len());
            if fits == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.extend(&bytes[..fits]);
            Ok(fits)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_follows_a_torn_line_begins_a_new_one() {
        let (mut room, mut torn) = (Room(Vec::new(), 8), false);
        write_line(&mut room, b"first\n", &mut torn).unwrap();
        for _ in 0..2 {
            write_line(&mut room, b"second\n", &mut torn).unwrap_err();
        }
        room.1 = 100;
        write_line(&mut room, b"third\n", &mut torn).unwrap();
        write_line(&mut room, b"fourth\n", &mut torn).unwrap();
        assert_eq!(String::from_utf8(room.0).unwrap(), "first\nse\nthird\nfourth\n");
    }

    /// A writer that reports each write, and waits until the test lets it continue.
    struct Pipe(Sender<Vec<u8>>, Receiver<()>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).unwrap();
            self.1.recv().unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_pipe_that_is_not_read_and_what_does_not_fit_is_counted() {
        let (given, written) = channel();
        let (read, reading) = channel();
        let lines = Lines::start(Pipe(given, reading)).unwrap();
        lines.push(b"begun\n");
        assert_eq!(written.recv().unwrap(), b"begun\n");
        let long = vec![b'x'; LOG_BYTES_MAX / 4];
        for _ in 0..6 {
            lines.push(&long);
        }
        assert_eq!(lines.dropped.load(Ordering::Relaxed), 2);
        lines.flush(); // returns although the pipe is not read
        for _ in 0..4 {
            read.send(()).unwrap();
            assert_eq!(written.recv().unwrap(), long);
        }
        read.send(()).unwrap();
        lines.flush();
        assert!(!lines.waiting.lock().writing, "all of it is written");
    }
}
