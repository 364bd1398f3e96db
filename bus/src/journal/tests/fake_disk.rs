//! A disk in memory that forgets what was not synced, tears writes, fails, and is full.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use crate::journal::{
    disk::{Access, Disk, DiskFile},
    size,
};

/// Written to the medium whole or not at all.
const SECTOR: usize = 512;

/// The machine: its disk and its page cache. Survives what happens to processes.
#[derive(Clone, Default)]
pub(super) struct Machine(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    boot: u64,
    /// What processes see.
    cached: BTreeMap<PathBuf, Arc<Mutex<Content>>>,
    /// What directories say after a power cut.
    durable: BTreeMap<PathBuf, Arc<Mutex<Content>>>,
    capacity: Option<usize>,
    fail_in: Option<u64>,
    age: Duration,
}

#[derive(Default)]
struct Content {
    cached: Vec<u8>,
    durable: Vec<u8>,
}

/// The disk as processes see it that were started after the last crash.
#[derive(Clone)]
pub(super) struct FakeDisk {
    machine: Machine,
    boot: u64,
}

struct FakeFile {
    disk: FakeDisk,
    content: Arc<Mutex<Content>>,
}

/// Xorshift: the same numbers for the same seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let end = u64::try_from(end).unwrap();
        usize::try_from(self.0 % end).unwrap()
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }
}

impl Machine {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn disk(&self) -> FakeDisk {
        FakeDisk {
            machine: self.clone(),
            boot: self.state().boot,
        }
    }

    /// Kills all processes: what they wrote stays.
    pub(super) fn kill(&self) {
        let mut state = self.state();
        state.boot += 1;
        state.fail_in = None;
    }

    /// Takes the power away: any part of what was not synced may be gone.
    pub(super) fn power_cut(&self, dice: &mut Dice) {
        self.kill();
        let mut state = self.state();
        let mut names: Vec<PathBuf> = state.cached.keys().cloned().collect();
        names.extend(state.durable.keys().cloned());
        names.sort();
        names.dedup();
        let mut left = BTreeMap::new();
        for name in names {
            let (new, old) = (state.cached.get(&name), state.durable.get(&name));
            let same = new.zip(old).is_some_and(|(new, old)| Arc::ptr_eq(new, old));
            let kept = if same || dice.coin() { new } else { old };
            if let Some(content) = kept {
                content.lock().unwrap().power_cut(dice);
                left.insert(name, Arc::clone(content));
            }
        }
        state.durable.clone_from(&left);
        state.cached = left;
    }

    /// Lets the operation after `skip` more that change something fail, once.
    pub(super) fn fail_after(&self, skip: u64) {
        self.state().fail_in = Some(skip);
    }

    /// Sets how many bytes there are left for all files.
    pub(super) fn set_free(&self, free: Option<usize>) {
        let mut state = self.state();
        let used = state.used();
        state.capacity = free.map(|free| used + free);
    }

    pub(super) fn set_age(&self, age: Duration) {
        self.state().age = age;
    }

    /// The names and contents of the segments, in order.
    pub(super) fn segments(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let state = self.state();
        let logs = state.cached.iter();
        logs.filter(|(path, _)| path.extension().is_some_and(|end| end == "log"))
            .map(|(path, content)| (path.clone(), content.lock().unwrap().cached.clone()))
            .collect()
    }

    /// Replaces the content of a file, past all caches.
    pub(super) fn overwrite(&self, path: &Path, bytes: &[u8]) {
        let state = self.state();
        let mut content = state.cached.get(path).unwrap().lock().unwrap();
        content.cached = bytes.to_vec();
        content.durable = bytes.to_vec();
    }
}

impl State {
    fn used(&self) -> usize {
        let contents = self.cached.values();
        contents.map(|c| c.lock().unwrap().cached.len()).sum()
    }

    /// Counts an operation that changes something.
    fn change(&mut self) -> io::Result<()> {
        match self.fail_in {
            Some(0) => {
                self.fail_in = None;
                Err(io::Error::other("the disk failed"))
            }
            Some(left) => {
                self.fail_in = Some(left - 1);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Content {
    fn power_cut(&mut self, dice: &mut Dice) {
        let (short, long) = match (self.cached.len(), self.durable.len()) {
            (a, b) if a < b => (a, b),
            (a, b) => (b, a),
        };
        let mut left = vec![0; short + dice.below(long - short + 1)];
        for (index, sector) in left.chunks_mut(SECTOR).enumerate() {
            let from = if dice.coin() {
                &self.cached
            } else {
                &self.durable
            };
            for (to, from) in sector.iter_mut().zip(from.iter().skip(index * SECTOR)) {
                *to = *from;
            }
        }
        self.durable.clone_from(&left);
        self.cached = left;
    }
}

impl FakeDisk {
    /// The state, for processes that are alive.
    fn alive(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.machine.state();
        if state.boot != self.boot {
            return Err(io::Error::other("this process is dead"));
        }
        Ok(state)
    }
}

impl Disk for FakeDisk {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        self.alive().map(drop)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.alive()?;
        if access == Access::Create {
            state.change()?;
            if state.capacity == Some(0) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.cached.insert(path.to_owned(), Arc::default());
        }
        let content = state.cached.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(FakeFile {
            disk: self.clone(),
            content: Arc::clone(content),
        }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.alive()?;
        let paths = state.cached.keys().filter(|p| p.parent() == Some(dir));
        let names = paths.filter_map(|path| path.file_name()?.to_str());
        Ok(names.map(str::to_owned).collect())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.alive()?;
        state.change()?;
        let removed = state.cached.remove(path);
        removed.map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.alive()?;
        state.change()?;
        let is_here = |path: &PathBuf| path.parent() == Some(dir);
        state.durable.retain(|path, _| !is_here(path));
        let entries: Vec<_> = state.cached.iter().filter(|(p, _)| is_here(p)).collect();
        let entries: Vec<_> = entries
            .into_iter()
            .map(|(path, content)| (path.clone(), Arc::clone(content)))
            .collect();
        state.durable.extend(entries);
        Ok(())
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        self.open(path, Access::Read)?.len()
    }

    fn age(&self, _: &Path) -> io::Result<Duration> {
        Ok(self.alive()?.age)
    }
}

impl DiskFile for FakeFile {
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        let _alive = self.disk.alive()?;
        let content = self.content.lock().unwrap();
        let rest = content.cached.get(size(at)..).unwrap_or_default();
        let len = rest.len().min(bytes.len());
        bytes[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        let mut state = self.disk.alive()?;
        let mut len = bytes.len();
        let failed = state.change();
        if failed.is_err() {
            // A failing disk has written something.
            len /= 2;
        }
        let at = size(at);
        let grows = (at + len).saturating_sub(self.content.lock().unwrap().cached.len());
        let free = state.capacity.map(|all| all.saturating_sub(state.used()));
        if let Some(free) = free.filter(|free| *free < grows) {
            len = len.saturating_sub(grows - free);
            if len == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        let mut content = self.content.lock().unwrap();
        let end = content.cached.len().max(at + len);
        content.cached.resize(end, 0);
        content.cached[at..at + len].copy_from_slice(&bytes[..len]);
        failed.map(|()| len)
    }

    fn len(&self) -> io::Result<u64> {
        let _alive = self.disk.alive()?;
        let content = self.content.lock().unwrap();
        Ok(u64::try_from(content.cached.len()).unwrap())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.alive()?.change()?;
        self.content.lock().unwrap().cached.resize(size(len), 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.alive()?.change()?;
        let mut content = self.content.lock().unwrap();
        content.durable = content.cached.clone();
        Ok(())
    }
}
