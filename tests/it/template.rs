//! The template of the deployment on AWS: whether it says what the code assumes, and allows what the code does.

mod document;
mod emulator;
mod linters;
mod one_shot;
mod record;
mod rights;
mod roles;
mod settings;
mod shape;
