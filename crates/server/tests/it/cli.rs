//! The command line's help.

use std::fmt::Write as _;

use clap::Command;
use insta::assert_snapshot;
use server::config::settings;

/// Width of help when there is no terminal.
const WIDTH: usize = 100;

/// Appends the help of a command and of all its subcommands.
fn help_of(command: &mut Command, path: &str, text: &mut String) {
    _ = writeln!(text, "$ {path} --help\n{}", command.render_help());
    for sub in command.get_subcommands_mut().filter(|sub| sub.get_name() != "help") {
        let path = format!("{path} {}", sub.get_name());
        help_of(sub, &path, text);
    }
}

#[test]
fn help_explains_every_command() {
    let is_setting = |id: &str| settings().any(|setting| setting.name == id);
    let hide = |arg: clap::Arg| {
        let hidden = is_setting(arg.get_id().as_str());
        arg.hide(hidden)
    };
    // Flags of settings are the same everywhere, and shown by the other test.
    let mut command = server::cli::command().term_width(WIDTH).mut_args(hide);
    command.build();
    let mut text = String::new();
    help_of(&mut command, "buttonparty", &mut text);
    assert_snapshot!(text);
}

#[test]
fn help_of_every_command_explains_every_setting() {
    fn check(command: &mut Command) {
        let help = command.render_help().to_string();
        for setting in settings() {
            assert!(
                help.contains(&format!("--{} <VALUE>", setting.flag())),
                "{}: {help}",
                command.get_name()
            );
        }
        command.get_subcommands_mut().filter(|sub| sub.get_name() != "help").for_each(check);
    }
    let mut command = server::cli::command().term_width(WIDTH);
    command.build();
    check(&mut command);
    let help = command.render_help().to_string();
    let at = help.find("Options:").unwrap();
    assert_snapshot!(&help[at..]);
}
