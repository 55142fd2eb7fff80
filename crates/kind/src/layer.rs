//! What has been read, what has changed since, and how to undo what one command changed.

use std::collections::{BTreeMap, BTreeSet};

use crate::Halt;

/// Values by key: those that were read, under those that the commands of a batch have changed.
///
/// `None` as a value means that there is none. A key that is absent has not been read.
#[derive(Debug, Clone)]
pub(crate) struct Layer<Key: Ord, Value> {
    read: BTreeMap<Key, Option<Value>>,
    changed: BTreeMap<Key, Option<Value>>,
    /// What `changed` held before the command that is being applied touched it, oldest first.
    undo: Vec<(Key, Option<Option<Value>>)>,
    /// Keys that were asked for and have not been read.
    missing: BTreeSet<Key>,
    /// Whether everything has been read: what is absent is known to be absent.
    whole: bool,
}

impl<Key: Ord + Clone, Value: Clone + PartialEq> Layer<Key, Value> {
    pub(crate) fn new(whole: bool) -> Self {
        Self {
            read: BTreeMap::new(),
            changed: BTreeMap::new(),
            undo: Vec::new(),
            missing: BTreeSet::new(),
            whole,
        }
    }

    /// The value of a key now, [`Halt::Missing`] if nobody has read it.
    pub(crate) fn get(&mut self, key: &Key) -> Result<Option<&Value>, Halt> {
        if !self.knows(key) {
            self.missing.insert(key.clone());
            return Err(Halt::Missing);
        }
        Ok(self.peek(key))
    }

    /// Says that the value of a key will be needed.
    pub(crate) fn want(&mut self, key: &Key) {
        if !self.knows(key) {
            self.missing.insert(key.clone());
        }
    }

    fn knows(&self, key: &Key) -> bool {
        self.whole || self.changed.contains_key(key) || self.read.contains_key(key)
    }

    /// The value of a key, as far as it is known.
    pub(crate) fn peek(&self, key: &Key) -> Option<&Value> {
        self.changed.get(key).or_else(|| self.read.get(key))?.as_ref()
    }

    pub(crate) fn set(&mut self, key: Key, value: Option<Value>) {
        let before = self.changed.insert(key.clone(), value);
        self.undo.push((key, before));
    }

    /// The keys of a range that have a value now, as far as they are known, in order.
    pub(crate) fn keys_between<'l>(&'l self, from: &Key, to: &Key) -> impl Iterator<Item = &'l Key> {
        let range = from.clone()..to.clone();
        let keys: BTreeSet<_> =
            self.read.range(range.clone()).chain(self.changed.range(range)).map(|(key, _)| key).collect();
        keys.into_iter().filter(|key| self.peek(key).is_some())
    }

    /// Undoes what the command that is being applied has changed.
    pub(crate) fn undo(&mut self) {
        while let Some((key, before)) = self.undo.pop() {
            match before {
                Some(before) => self.changed.insert(key, before),
                None => self.changed.remove(&key),
            };
        }
    }

    /// Keeps what the command that was applied has changed.
    pub(crate) fn keep(&mut self) {
        self.undo.clear();
    }

    /// Forgets all changes, but not what was read.
    pub(crate) fn restart(&mut self) {
        self.undo.clear();
        self.changed.clear();
    }

    /// How many keys of a range have been read with a value.
    pub(crate) fn count_read(&self, from: &Key, to: &Key) -> usize {
        self.read.range(from.clone()..to.clone()).filter(|(_, value)| value.is_some()).count()
    }

    pub(crate) fn take_missing(&mut self) -> BTreeSet<Key> {
        std::mem::take(&mut self.missing)
    }

    /// Takes in what was read.
    pub(crate) fn learn(&mut self, key: Key, value: Option<Value>) {
        self.read.insert(key, value);
    }

    /// What has another value than was read. `None`: the value was removed.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (&Key, Option<&Value>)> {
        let differs = |(key, value): &(&Key, &Option<Value>)| {
            self.read.get(*key).unwrap_or(&None) != *value || !self.knows_read(key)
        };
        self.changed.iter().filter(differs).map(|(key, value)| (key, value.as_ref()))
    }

    /// Whether the stored value of a key is known. A value that was set without a look at the stored one is written in any
    /// case.
    fn knows_read(&self, key: &Key) -> bool {
        self.whole || self.read.contains_key(key)
    }

    /// Whether the stored value is known, and there is one.
    pub(crate) fn is_read(&self, key: &Key) -> bool {
        self.read.get(key).is_some_and(Option::is_some)
    }

    /// Takes the changes as read: what a batch has written is what the next one finds.
    pub(crate) fn fold(&mut self) {
        self.undo.clear();
        for (key, value) in std::mem::take(&mut self.changed) {
            match value {
                None if self.whole => self.read.remove(&key),
                value => self.read.insert(key, value),
            };
        }
    }

    /// Everything that has a value now, in order of keys.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Key, &Value)> {
        let keys: BTreeSet<_> = self.read.keys().chain(self.changed.keys()).collect();
        keys.into_iter().filter_map(|key| self.peek(key).map(|value| (key, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_not_read_is_missing_until_it_is() {
        let mut layer = Layer::<_, i32>::new(false);
        assert_eq!(layer.get(&"a"), Err(Halt::Missing));
        assert_eq!(layer.take_missing(), BTreeSet::from(["a"]));
        layer.learn("a", None);
        assert_eq!(layer.get(&"a"), Ok(None));
        assert!(layer.take_missing().is_empty());
    }

    #[test]
    fn undo_takes_back_one_command_and_no_more() {
        let mut layer = Layer::new(true);
        layer.set("a", Some(1));
        layer.keep();
        layer.set("a", Some(2));
        layer.set("a", None);
        layer.set("b", Some(3));
        layer.undo();
        assert_eq!(layer.all().collect::<Vec<_>>(), [(&"a", &1)]);
    }

    #[test]
    fn a_value_that_is_as_it_was_read_is_no_change_and_one_set_unread_is() {
        let mut layer = Layer::new(false);
        layer.learn("a", Some(1));
        layer.set("a", Some(2));
        layer.set("a", Some(1));
        layer.set("b", None);
        assert_eq!(layer.changes().collect::<Vec<_>>(), [(&"b", None)]);
    }
}
