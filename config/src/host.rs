//! The machine's own name, made fit to be an agent's name.

/// The host name in lower case, cut at 64 characters, with a hyphen for anything a name may not hold.
pub(crate) fn agent_name() -> String {
    to_name(&rustix::system::uname().nodename().to_string_lossy())
}

fn to_name(host: &str) -> String {
    let name: String = host
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' })
        .skip_while(|c| !c.is_ascii_alphanumeric())
        .take(64)
        .collect();
    if name.is_empty() { "agent".into() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values;

    fn check(host: &str, expected: &str) {
        let name = to_name(host);
        assert_eq!(name, expected);
        assert!(values::is_name(&name));
    }

    #[test]
    fn a_host_name_becomes_a_name_that_is_allowed() {
        check("DB01.internal", "db01.internal");
        check("_dmarc host", "dmarc-host");
        check("数据库", "agent");
        check("", "agent");
        check(&"x".repeat(70), &"x".repeat(64));
    }

    #[test]
    fn this_machine_has_a_name() {
        assert!(values::is_name(&agent_name()));
    }
}
