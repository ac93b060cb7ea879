//! The command line, parsed without running anything.

use crate::fuzz::FuzzOptions;
use crate::judge::JudgeOptions;

/// What `--help` prints, and what follows a wrong command line.
pub(crate) const USAGE: &str = "\
Usage: cargo xtask <command>

  test  [--list] [--only STEP]... [--skip STEP]...   every check, in order, until the first failure
  check [--list] [--only STEP]... [--skip STEP]...   the quick half of test: nothing is executed
  tidy  [--list] [--only STEP]... [--skip STEP]...   circles, repeats, words, examples: what is lacking
  soak  [FILTER]                                     the long tests, those with `soak` in their name; without FILTER
                                                     the models under shuttle, and the instructions of each call
                                                     too (`bench --check`)
  bench [FILTER] [--quick | --check] [--write]       measure, or count instructions; see benches/README.md
  fuzz  [TARGET] [--seconds N]                       every decoder on any bytes, 10 s each
  judge [NAME] [--write]                             programs of others, as clients and as servers

Exit codes: 0 passed, 1 failed, 2 wrong usage.";

/// A command line that was understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    Run(Command),
    Help,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Test(StepOptions),
    Check(StepOptions),
    Tidy(StepOptions),
    Soak { filter: Option<String> },
    Bench { args: Vec<String> },
    Fuzz(FuzzOptions),
    Judge(JudgeOptions),
}

/// Which steps of `test`, `check` or `tidy` to run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct StepOptions {
    pub(crate) list: bool,
    pub(crate) only: Vec<String>,
    pub(crate) skip: Vec<String>,
}

/// Reads the arguments that follow the program's name.
///
/// # Errors
///
/// One sentence that names the argument and what would be right.
pub(crate) fn parse(args: &[String]) -> Result<Parsed, String> {
    let Some((command, rest)) = args.split_first() else {
        return Err("a command is missing".to_owned());
    };
    // The harness behind `bench` has a help text of its own.
    let wants_help = rest.iter().any(|arg| arg == "--help" || arg == "-h");
    if matches!(command.as_str(), "help" | "--help" | "-h") || (wants_help && command != "bench") {
        return Ok(Parsed::Help);
    }
    Ok(Parsed::Run(match command.as_str() {
        "test" => Command::Test(parse_step_options(rest)?),
        "check" => Command::Check(parse_step_options(rest)?),
        "tidy" => Command::Tidy(parse_step_options(rest)?),
        "soak" => Command::Soak { filter: parse_soak_filter(rest)? },
        "bench" => Command::Bench { args: rest.to_vec() },
        "fuzz" => Command::Fuzz(parse_fuzz_options(rest)?),
        "judge" => Command::Judge(parse_judge_options(rest)?),
        other => {
            return Err(format!("there is no command `{other}`: use test, check, tidy, soak, bench, fuzz or judge"));
        }
    }))
}

fn parse_step_options(args: &[String]) -> Result<StepOptions, String> {
    let mut options = StepOptions::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let (flag, inline) = match arg.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (arg.as_str(), None),
        };
        match flag {
            "--list" if inline.is_none() => options.list = true,
            "--only" | "--skip" => {
                let Some(step) = inline.or_else(|| args.next().cloned()) else {
                    return Err(format!("{flag} needs the name of a step; --list shows them"));
                };
                let names = if flag == "--only" { &mut options.only } else { &mut options.skip };
                names.push(step);
            }
            _ => {
                return Err(format!("`{arg}` is not an option here: use --list, --only STEP or --skip STEP"));
            }
        }
    }
    Ok(options)
}

fn parse_soak_filter(args: &[String]) -> Result<Option<String>, String> {
    let filter = match args {
        [] => return Ok(None),
        [filter] => filter,
        [_, extra, ..] => return Err(format!("soak takes one filter, `{extra}` is a second one")),
    };
    // The filter becomes part of a nextest expression, where brackets and quotes have a meaning.
    if filter.is_empty() || !filter.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':') {
        return Err(format!("`{filter}` is not a part of a test's name: use letters, digits, `_` and `::`"));
    }
    Ok(Some(filter.clone()))
}

fn parse_fuzz_options(args: &[String]) -> Result<FuzzOptions, String> {
    let mut options = FuzzOptions { target: None, seconds: 10 };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.split_once('=').unwrap_or((arg, "")) {
            ("--seconds", inline) => {
                let text = if inline.is_empty() { args.next().map_or("", String::as_str) } else { inline };
                let seconds = text.parse().ok().filter(|seconds| *seconds > 0);
                options.seconds = seconds.ok_or("--seconds needs a number of seconds, 1 or more")?;
            }
            (flag, _) if flag.starts_with('-') => {
                return Err(format!("`{arg}` is not an option here: use --seconds N"));
            }
            _ if options.target.is_some() => return Err(format!("fuzz takes one target, `{arg}` is a second one")),
            _ => options.target = Some(arg.clone()),
        }
    }
    Ok(options)
}

fn parse_judge_options(args: &[String]) -> Result<JudgeOptions, String> {
    let mut options = JudgeOptions::default();
    for arg in args {
        match arg.as_str() {
            "--write" => options.write = true,
            flag if flag.starts_with('-') => return Err(format!("`{flag}` is not an option here: use --write")),
            _ if options.name.is_some() => return Err(format!("judge takes one name, `{arg}` is a second one")),
            name => options.name = Some(name.to_owned()),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Parsed, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn step_options_are_read_in_both_spellings_and_any_number() {
        let expected = StepOptions { list: false, only: vec!["fmt".into(), "docs".into()], skip: vec!["deny".into()] };
        assert_eq!(parse_line("test --only fmt --skip=deny --only=docs"), Ok(Parsed::Run(Command::Test(expected))));
    }

    #[test]
    fn bench_passes_everything_on_even_a_request_for_help() {
        let expected = Command::Bench { args: vec!["bare".into(), "--help".into()] };
        assert_eq!(parse_line("bench bare --help"), Ok(Parsed::Run(expected)));
    }

    #[test]
    fn help_is_no_error() {
        assert_eq!(parse_line("--help"), Ok(Parsed::Help));
        assert_eq!(parse_line("soak --help"), Ok(Parsed::Help));
    }

    #[test]
    fn a_wrong_command_line_is_told_what_would_be_right() {
        assert!(parse_line("").unwrap_err().contains("missing"));
        assert!(parse_line("tset").unwrap_err().contains("`tset`: use test"));
        assert!(parse_line("test --only").unwrap_err().contains("--only needs"));
        assert!(parse_line("check fmt").unwrap_err().contains("`fmt` is not an option"));
        assert!(parse_line("test --list=yes").unwrap_err().contains("--list=yes"));
        assert!(parse_line("soak a b").unwrap_err().contains("`b` is a second"));
    }

    #[test]
    fn a_target_and_its_time_are_read() {
        let fuzz = |target: Option<&str>, seconds| {
            Ok(Parsed::Run(Command::Fuzz(FuzzOptions { target: target.map(str::to_owned), seconds })))
        };
        assert_eq!(parse_line("fuzz"), fuzz(None, 10));
        assert_eq!(parse_line("fuzz yaml --seconds 60"), fuzz(Some("yaml"), 60));
        assert_eq!(parse_line("fuzz --seconds=5 yaml"), fuzz(Some("yaml"), 5));
        for (line, says) in [
            ("fuzz --seconds", "1 or more"),
            ("fuzz --seconds 0", "1 or more"),
            ("fuzz --seconds=x", "1 or more"),
            ("fuzz a b", "`b` is a second"),
            ("fuzz --for 5", "`--for` is not an option"),
        ] {
            assert!(parse_line(line).unwrap_err().contains(says), "{line}");
        }
    }

    #[test]
    fn a_judge_is_read_by_name() {
        let judge = |name: Option<&str>, write| {
            Ok(Parsed::Run(Command::Judge(JudgeOptions { name: name.map(str::to_owned), write })))
        };
        assert_eq!(parse_line("judge"), judge(None, false));
        assert_eq!(parse_line("judge curl"), judge(Some("curl"), false));
        assert_eq!(parse_line("judge --write"), judge(None, true));
        assert!(parse_line("judge a b").unwrap_err().contains("`b` is a second"));
        assert!(parse_line("judge --all").unwrap_err().contains("use --write"));
    }

    #[test]
    fn a_soak_filter_cannot_break_out_of_the_expression() {
        assert!(parse_line("soak a)|all()").unwrap_err().contains("not a part of a test's name"));
        let expected = Command::Soak { filter: Some("plugin_lb::soak_1".into()) };
        assert_eq!(parse_line("soak plugin_lb::soak_1"), Ok(Parsed::Run(expected)));
    }
}
