//! Settings of a process. Each one is declared once, with [`settings!`]: its name, default, unit, bounds and meaning,
//! who reads it, and the type that its value becomes. `--help`, `config`, `docs/settings.md` and the parser are made from
//! the declarations.
//!
//! The server and the Lambda function share this crate, so it knows neither of them, and no environment.

mod address;
mod reader;
mod role;
mod setting;
mod shared;

pub use address::{BoardAddress, StoreAddress, embedded_file, holds_password, with_login, without_password};
pub use reader::{ConfigErrors, Given, Noted, SettingsReader, Values};
pub use role::Role;
pub use setting::{Setting, markdown};
pub use shared::{BOARD_URL, LOG, STORE_URL};

/// Declares a group of settings as a struct. A field is `name: Type = reader, declaration;`: the reader is a function
/// from [`Given`] to the value or to the reason why there is none.
///
/// The struct gets `SETTINGS`, the declarations in the order in which they are shown, and `collect`, which reads every
/// field before it fails, so that all mistakes are noted.
#[macro_export]
macro_rules! settings {
    ($(#[$meta:meta])* $vis:vis struct $name:ident {
        $($(#[$field_meta:meta])* $field_vis:vis $field:ident: $type:ty = $reader:expr, $setting:expr;)+
    }) => {
        $(#[$meta])*
        #[derive(Clone)]
        $vis struct $name {
            $($(#[$field_meta])* $field_vis $field: $type,)+
        }

        impl $name {
            /// The declarations, in the order in which they are shown.
            $vis const SETTINGS: &[$crate::Setting] = &[$($setting),+];

            pub(crate) fn collect(reader: &mut $crate::SettingsReader) -> Result<Self, $crate::Noted> {
                $(let $field: Result<$type, _> = reader.read(&$setting, |given: $crate::Given<'_>| $reader(given));)+
                Ok(Self { $($field: $field?),+ })
            }
        }
    };
}
