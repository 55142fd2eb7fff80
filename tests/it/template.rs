//! The AWS deployment template: its values match the assumptions of the code, and it allows every call of the code.

mod document;
mod emulator;
mod linters;
mod one_shot;
mod record;
mod rights;
mod roles;
mod settings;
mod shape;
