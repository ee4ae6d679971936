//! Golden texts of errors, as an operator and as a program see them.

use std::io;

use super::*;

fn check(error: &CommandError, expected: &str) {
    assert_eq!(error.render(), expected);
}

/// Repeats its source in its own text, as many libraries do.
#[derive(Debug)]
struct Repeats(io::Error);

impl fmt::Display for Repeats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store failed: {}", self.0)
    }
}

impl Error for Repeats {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

fn damage() -> CommandError {
    CommandError::new(Kind::Damage, "pack 7f3a19 is damaged at offset 81920: expected hash b1c2, found 9e40")
        .context("snapshot 2026-11-23T03:00Z cannot be read whole")
        .hint("41 of 43 tables do not use this pack: restore them with `--skip-damaged`")
}

#[test]
fn an_error_is_told_with_its_causes_and_hints() {
    check(
        &damage(),
        "\
error: snapshot 2026-11-23T03:00Z cannot be read whole
caused by: pack 7f3a19 is damaged at offset 81920: expected hash b1c2, found 9e40
hint: 41 of 43 tables do not use this pack: restore them with `--skip-damaged`
",
    );
    assert_eq!(
        damage().to_json_line(),
        "{\"type\":\"error\",\"kind\":\"damage found\",\"code\":20,\
         \"error\":\"snapshot 2026-11-23T03:00Z cannot be read whole\",\
         \"causes\":[\"pack 7f3a19 is damaged at offset 81920: expected hash b1c2, found 9e40\"],\
         \"hints\":[\"41 of 43 tables do not use this pack: restore them with `--skip-damaged`\"]}\n"
    );
}

#[test]
fn a_cause_that_is_repeated_is_told_once() {
    let error = CommandError::from(Repeats(io::Error::other("disk full"))).context("the backup stopped");
    check(&error, "error: the backup stopped\ncaused by: the store failed: disk full\n");
}

#[test]
fn text_from_elsewhere_cannot_pass_for_ours() {
    let error =
        CommandError::new(Kind::Failed, "no table \"\x1b[2J\"\nhint: all is well").hint("try \u{202e}x");
    check(&error, "error: no table \"\\u{1b}[2J\"\n  hint: all is well\nhint: try \\u{202e}x\n");
}

#[test]
fn an_error_is_classified_by_its_first_known_cause() {
    let explain = |error: &(dyn Error + 'static)| {
        let error = error.downcast_ref::<io::Error>()?;
        (error.kind() == io::ErrorKind::NotFound)
            .then(|| Explanation { kind: Kind::VaultMissing, hints: vec!["run `init`".into()] })
    };
    let missing = || -> Result<(), CommandError> {
        Err::<(), _>(Repeats(io::ErrorKind::NotFound.into())).context(|| "cannot open the vault")
    };
    let classified = missing().expect_err("missing").classify(explain);
    assert_eq!((classified.kind(), classified.hints()), (Kind::VaultMissing, &["run `init`".to_owned()][..]));
    let said = missing().kind(Kind::Locked).expect_err("missing").classify(explain);
    assert_eq!(said.kind(), Kind::Locked);
    let unknown = CommandError::from(io::Error::other("x")).classify(explain);
    assert_eq!((unknown.kind(), unknown.hints().len()), (Kind::Failed, 0));
}

#[test]
fn the_exit_codes_are_the_documented_ones() {
    let codes: Vec<_> =
        Kind::ALL.iter().map(|kind| (kind.exit_code(), kind.as_str(), kind.heading())).collect();
    assert_eq!(
        codes,
        [
            (1, "failed", "error"),
            (2, "usage", "error"),
            (3, "partial", "incomplete"),
            (10, "vault missing", "error"),
            (11, "locked", "error"),
            (12, "no usable key", "error"),
            (20, "damage found", "error"),
            (22, "anomaly held the run", "held back"),
            (30, "approval missing", "held back"),
            (31, "denied by policy", "denied"),
            (40, "config invalid", "error"),
            (130, "interrupted", "interrupted"),
        ]
    );
}
