//! Direct rooms: their id is the two users' ids, sorted and joined by `#`.

/// Whether a room id is that of a direct room. No other id holds a `#`.
pub fn is_direct(room: &str) -> bool {
    room.contains('#')
}

/// The room of two users, or of one with oneself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectRoom {
    users: [String; 2],
}

impl DirectRoom {
    /// Reads a direct room's id, in either order; `None` if it is none.
    pub fn parse(room: &str) -> Option<Self> {
        let (a, b) = room.split_once('#')?;
        let is_user = |id: &str| !id.is_empty() && !id.contains('#');
        if !is_user(a) || !is_user(b) {
            return None;
        }
        let mut users = [a.to_owned(), b.to_owned()];
        users.sort();
        Some(Self { users })
    }

    /// The id: the same for both orders.
    pub fn id(&self) -> String {
        self.users.join("#")
    }

    /// Its users: one, if it is somebody's room with oneself.
    pub fn users(&self) -> &[String] {
        if self.users[0] == self.users[1] { &self.users[..1] } else { &self.users }
    }

    /// Whether the user is one of the two.
    pub fn has(&self, user: &str) -> bool {
        self.users.iter().any(|it| it == user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_are_one_room() {
        let room = DirectRoom::parse("bob#alice").unwrap();
        assert_eq!(room, DirectRoom::parse("alice#bob").unwrap());
        assert_eq!((room.id().as_str(), room.users().len()), ("alice#bob", 2));
        assert!(room.has("bob") && !room.has("al"));
    }

    #[test]
    fn a_user_may_write_to_oneself() {
        let room = DirectRoom::parse("bob#bob").unwrap();
        assert_eq!((room.id().as_str(), room.users()), ("bob#bob", ["bob".to_owned()].as_slice()));
    }

    #[test]
    fn what_is_not_two_ids_is_no_direct_room() {
        for room in ["general", "#", "a#", "#b", "a#b#c", ""] {
            assert_eq!(DirectRoom::parse(room), None, "{room}");
        }
    }
}
