//! What is buried of a message, and how the journal and the ids of dead letters store it.

use queue::Sequence;

/// What is buried of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Buried {
    Whole,
    /// The entries with these indices; may be empty.
    Entries(Vec<u32>),
}

/// The journal's value for a message that is buried whole.
const WHOLE: u32 = u32::MAX;

/// The same in the id of a dead letter.
const WHOLE_PLACE: &str = "all";

impl Buried {
    /// Reads the journal's column.
    pub fn from_journal(buried: &[u32]) -> Self {
        if buried.contains(&WHOLE) { Self::Whole } else { Self::Entries(buried.to_vec()) }
    }

    pub(super) fn into_journal(self) -> Vec<u32> {
        match self {
            Self::Whole => vec![WHOLE],
            Self::Entries(places) => places,
        }
    }

    /// Whether the entry with this index is buried.
    pub fn contains(&self, place: u32) -> bool {
        match self {
            Self::Whole => true,
            Self::Entries(places) => places.contains(&place),
        }
    }
}

/// Whether a dead letter is a message or one entry of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LetterKind {
    Whole,
    Entry(u32),
}

impl LetterKind {
    /// The id of a dead letter that the handler buries. It names where the letter came from.
    pub(super) fn letter_id(self, inbox_id: &str, partition: u16, sequence: Sequence) -> String {
        match self {
            Self::Whole => format!("{inbox_id}/{partition}/{sequence}/{WHOLE_PLACE}"),
            Self::Entry(place) => format!("{inbox_id}/{partition}/{sequence}/{place}"),
        }
    }

    /// Parses the id of a dead letter. An id in another form is that of a whole message that the inbox buried.
    pub(crate) fn of_letter(id: &str) -> Self {
        let place = id.rsplit_once('/').and_then(|(_, place)| place.parse().ok());
        place.map_or(Self::Whole, Self::Entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_letter_says_what_it_is() {
        let sequence = Sequence(7);
        for (kind, id) in [(LetterKind::Whole, "inbox/1/7/all"), (LetterKind::Entry(3), "inbox/1/7/3")] {
            assert_eq!(kind.letter_id("inbox", 1, sequence), id);
            assert_eq!(LetterKind::of_letter(id), kind);
        }
        assert_eq!(LetterKind::of_letter("node-1#7"), LetterKind::Whole, "the inbox gave it up");
    }

    #[test]
    fn the_journal_keeps_what_is_buried() {
        for (buried, stored) in [
            (Buried::Whole, vec![u32::MAX]),
            (Buried::Entries(vec![0, 2]), vec![0, 2]),
            (Buried::Entries(Vec::new()), Vec::new()),
        ] {
            assert_eq!(Buried::from_journal(&stored), buried);
            assert_eq!(buried.into_journal(), stored);
        }
        assert!(Buried::Whole.contains(5) && !Buried::Entries(vec![0]).contains(5));
    }
}
