//! References are read as written, and no message repeats a secret.

use super::*;

const PASSWORD: &str = "hunter2";

/// Resolves `reference` in a folder with a few files, and answers with the secret or the error.
fn check(reference: &str, expected: Result<&str, &str>) {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("a file");
    write("good", b"hunter2\n");
    write("dos", b"hunter2\r\n");
    write("two-lines", b"hunter2\n\n");
    write("empty", b"\n");
    write("binary", b"\xff\xfe");
    write("long", &vec![b'x'; 100_000]);
    let env = |name: &str| match name {
        "CREDENTIALS_DIRECTORY" => Some(folder.path().as_os_str().to_owned()),
        "PASSWORD" => Some(PASSWORD.into()),
        "EMPTY" => Some(OsString::new()),
        _ => None,
    };
    let found = match SecretRef::parse(reference, folder.path()) {
        Err(fault) => Err(fault.message),
        Ok(secret) => {
            secret.resolve_in(env).map(|secret| secret.expose().to_owned()).map_err(|e| e.to_string())
        }
    };
    let plain = found.map_err(|text| text.replace(&folder.path().display().to_string(), "DIR"));
    assert_eq!(plain.as_deref().map_err(String::as_str), expected, "{reference}");
}

#[test]
fn each_kind_of_reference_is_read() {
    check("{file:good}", Ok(PASSWORD));
    check("{env:PASSWORD}", Ok(PASSWORD));
    check("{credential:good}", Ok(PASSWORD));
    check(PASSWORD, Ok(PASSWORD));
}

#[test]
fn one_line_end_is_not_part_of_a_password() {
    check("{file:dos}", Ok(PASSWORD));
    check("{file:two-lines}", Ok("hunter2\n"));
}

#[test]
fn what_is_not_there_is_named() {
    check("{file:absent}", Err("the secret's file DIR/absent does not exist"));
    check("{env:ABSENT}", Err("the environment variable ABSENT is not set"));
    check("{credential:absent}", Err("the secret's file DIR/absent does not exist"));
    let outside = SecretRef::Credential("crm".into()).resolve_in(|_| None).expect_err("no systemd");
    assert_eq!(outside.to_string(), "{credential:crm} needs $CREDENTIALS_DIRECTORY, which is not set");
    assert_eq!(outside.hints().len(), 2);
}

#[test]
fn what_is_no_password_is_refused() {
    check("{file:empty}", Err("{file:DIR/empty} is empty"));
    check("{env:EMPTY}", Err("{env:EMPTY} is empty"));
    check("{file:binary}", Err("{file:DIR/binary} is not UTF-8 text"));
    check("{file:long}", Err("{file:DIR/long} is too long for a secret"));
    check("{file:.}", Err("cannot read the secret's file DIR/."));
    check("", Err("the secret is empty"));
}

#[test]
fn a_reference_that_cannot_be_meant_is_refused() {
    check("{vault:crm}", Err("this is no known reference to a secret"));
    check("{hunter2}", Err("this is no known reference to a secret"));
    check("{file:}", Err("the reference names nothing that could be read"));
    check("{credential:../shadow}", Err("the reference names nothing that could be read"));
}

#[test]
fn a_secret_is_never_printed() {
    let literal = SecretRef::Literal(Secret::new(PASSWORD.into()));
    assert_eq!(
        format!("{literal} {literal:?} {:?}", Secret::new(PASSWORD.into())),
        "******** ******** ********"
    );
}
