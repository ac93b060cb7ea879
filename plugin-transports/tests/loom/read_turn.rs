//! Callers, the driver and the plugin, where the turn to read passes among them by the rules that `lines::client::connection`
//! keeps.

use std::{sync::Arc, task::Waker};

use loom::thread;

use super::{Task, model, sync::Mutex, turn::ReadTurn};

/// The plugin's stdout: who looks at it in vain is woken by what comes, once.
#[derive(Default)]
struct Pipe {
    answers: Vec<u64>,
    registered: Option<Waker>,
}

struct Connection {
    /// Who is in flight, and with which waker; and who has its answer.
    table: Mutex<(Vec<(u64, Waker)>, Vec<u64>)>,
    pipe: Mutex<Pipe>,
    inbox: Mutex<()>,
    turn: Arc<ReadTurn>,
    reading: Waker,
}

impl Connection {
    fn new() -> Arc<Self> {
        let turn = Arc::<ReadTurn>::default();
        let reading = Arc::clone(&turn).into();
        let table = Mutex::new((Vec::new(), Vec::new()));
        Arc::new(Self { table, pipe: Mutex::default(), inbox: Mutex::new(()), turn, reading })
    }

    fn wake_driver(&self) {
        self.turn.driver().into_iter().for_each(Waker::wake);
    }

    fn submit(&self, id: u64, waker: &Waker) {
        let mut table = self.table.lock().expect("sound");
        table.0.push((id, waker.clone()));
        let alone = table.0.len() == 1;
        if alone {
            self.turn.take(id, waker)
        } else {
            self.turn.give_to_driver()
        }
        drop(table);
        if !alone {
            self.wake_driver();
        }
    }

    fn write(&self, id: u64) {
        let mut pipe = self.pipe.lock().expect("sound");
        pipe.answers.push(id);
        let registered = pipe.registered.take();
        drop(pipe);
        registered.into_iter().for_each(Waker::wake);
    }

    fn poll_line(&self) -> Option<u64> {
        let mut pipe = self.pipe.lock().expect("sound");
        let answer = (!pipe.answers.is_empty()).then(|| pipe.answers.remove(0));
        if answer.is_none() {
            pipe.registered = Some(self.reading.clone());
        }
        answer
    }

    /// Gives the waker of who is answered, where somebody waits.
    fn complete(&self, id: u64) -> Option<Waker> {
        let mut table = self.table.lock().expect("sound");
        table.1.push(id);
        let at = table.0.iter().position(|(waiting, _)| *waiting == id)?;
        Some(table.0.remove(at).1)
    }

    fn is_answered(&self, id: u64) -> bool {
        self.table.lock().expect("sound").1.contains(&id)
    }

    fn drive(&self) {
        loop {
            let inbox = self.inbox.lock().expect("sound");
            let Some(id) = self.poll_line() else { return };
            drop(inbox);
            self.complete(id).into_iter().for_each(Waker::wake);
        }
    }

    fn leave(&self, id: u64) {
        if self.turn.leave(id) {
            self.wake_driver();
        }
    }

    /// A poll of a call; whether it has its answer.
    fn fetch(&self, id: u64, waker: &Waker) -> bool {
        if self.is_answered(id) {
            self.leave(id);
            return true;
        }
        if !self.turn.is_of(id, waker) {
            return false;
        }
        let Ok(inbox) = self.inbox.try_lock() else { return false };
        let Some(read) = self.poll_line() else { return false };
        if read == id {
            drop(self.complete(id));
        } else {
            self.put_back(read);
        }
        self.turn.leave(id);
        let next = if read == id { self.poll_line() } else { None };
        next.into_iter().for_each(|next| self.put_back(next));
        drop(inbox);
        if read != id || next.is_some() {
            self.reading.wake_by_ref();
        }
        read == id
    }

    fn put_back(&self, read: u64) {
        self.pipe.lock().expect("sound").answers.insert(0, read);
    }

    /// Waits for the answer.
    fn call(&self, id: u64, task: &Task, waker: &Waker) {
        while !self.fetch(id, waker) {
            task.0.wait();
        }
    }
}

/// What the plugin writes last: it ends the driver, which has to be woken to read it.
const LAST: u64 = 99;

/// A driver that has looked once.
fn driver(connection: &Arc<Connection>) -> thread::JoinHandle<()> {
    let (task, waker) = Task::new();
    connection.turn.set_driver(&waker);
    connection.drive();
    let connection = Arc::clone(connection);
    thread::spawn(move || {
        while !connection.is_answered(LAST) {
            task.0.wait();
            connection.drive();
        }
    })
}

#[test]
fn two_callers_are_answered_whoever_reads() {
    model(|| {
        let connection = Connection::new();
        let driver = driver(&connection);
        let (first, first_waker) = Task::new();
        connection.submit(1, &first_waker);
        let near = Arc::clone(&connection);
        let caller = thread::spawn(move || {
            near.write(1);
            near.call(1, &first, &first_waker);
        });
        let (second, second_waker) = Task::new();
        connection.submit(2, &second_waker);
        connection.write(2);
        connection.call(2, &second, &second_waker);
        caller.join().expect("no panic");
        connection.write(LAST);
        driver.join().expect("no panic");
    });
}

#[test]
fn a_caller_that_leaves_takes_no_answer_with_it() {
    model(|| {
        let connection = Connection::new();
        let driver = driver(&connection);
        let (_first, first_waker) = Task::new();
        connection.submit(1, &first_waker);
        let near = Arc::clone(&connection);
        let plugin = thread::spawn(move || near.write(1));
        // It was woken or not, and does not look.
        connection.table.lock().expect("sound").0.retain(|(id, _)| *id != 1);
        connection.leave(1);
        let (second, second_waker) = Task::new();
        connection.submit(2, &second_waker);
        plugin.join().expect("no panic");
        connection.write(2);
        connection.call(2, &second, &second_waker);
        connection.write(LAST);
        driver.join().expect("no panic");
    });
}

#[test]
fn what_comes_behind_the_answer_of_who_was_alone_is_read_by_the_driver() {
    model(|| {
        let connection = Connection::new();
        let driver = driver(&connection);
        let (first, first_waker) = Task::new();
        connection.submit(1, &first_waker);
        let near = Arc::clone(&connection);
        let plugin = thread::spawn(move || {
            near.write(1);
            near.write(LAST);
        });
        connection.call(1, &first, &first_waker);
        plugin.join().expect("no panic");
        driver.join().expect("no panic");
    });
}
