//! Families of samples, and the two text forms in which Prometheus reads them.
//!
//! OpenMetrics 1.0 names a counter without its `_total` and ends with `# EOF`; the older text format 0.0.4
//! knows neither info nor state sets, which are gauges there.

use std::fmt::Write;

/// What a family's numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only goes up; its samples end in `_total`.
    Counter,
    /// Always 1; what matters are the labels. Its sample ends in `_info`.
    Info,
    /// 1 for the state that holds and 0 for the others, in a label called as the family.
    StateSet,
}

/// A family of samples. Its name carries no `_total` and no `_info`.
#[derive(Debug, Clone)]
pub struct Family {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    samples: Vec<(Labels, f64)>,
}

/// Labels in the order in which they are written.
pub type Labels = Vec<(&'static str, String)>;

/// A text form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus's own, version 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Family {
    /// An empty one.
    pub const fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, kind, help, samples: Vec::new() }
    }

    /// Adds a sample.
    pub fn add(&mut self, labels: Labels, value: f64) {
        self.samples.push((labels, value));
    }

    /// Adds the samples of a state set.
    pub fn add_state(&mut self, labels: &Labels, states: &[&str], holds: &str) {
        for state in states {
            let mut labels = labels.clone();
            labels.push((self.name, (*state).to_owned()));
            self.add(labels, f64::from(u8::from(*state == holds)));
        }
    }
}

impl Format {
    /// The form that a client asks for in `Accept`.
    pub fn accepted(accept: Option<&str>) -> Self {
        match accept {
            Some(accept) if accept.contains("application/openmetrics-text") => Self::OpenMetrics,
            _ => Self::Text,
        }
    }

    /// Its content type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Writes families that have samples.
    pub fn render(self, families: &[Family]) -> String {
        let mut text = String::new();
        for family in families.iter().filter(|family| !family.samples.is_empty()) {
            self.render_family(family, &mut text);
        }
        if self == Self::OpenMetrics {
            text.push_str("# EOF\n");
        }
        text
    }

    fn render_family(self, family: &Family, text: &mut String) {
        let Family { name, kind, help, samples } = family;
        let suffix = match kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::StateSet => "",
        };
        let (shown, kind) = match (self, kind) {
            (Self::OpenMetrics, Kind::Gauge) => ((*name).to_owned(), "gauge"),
            (Self::OpenMetrics, Kind::Counter) => ((*name).to_owned(), "counter"),
            (Self::OpenMetrics, Kind::Info) => ((*name).to_owned(), "info"),
            (Self::OpenMetrics, Kind::StateSet) => ((*name).to_owned(), "stateset"),
            (Self::Text, Kind::Counter) => (format!("{name}{suffix}"), "counter"),
            (Self::Text, _) => (format!("{name}{suffix}"), "gauge"),
        };
        let _ = writeln!(text, "# HELP {shown} {help}");
        let _ = writeln!(text, "# TYPE {shown} {kind}");
        let unit = ["seconds", "bytes", "ratio"].into_iter().find(|unit| name.ends_with(&format!("_{unit}")));
        if let (Self::OpenMetrics, Some(unit)) = (self, unit) {
            let _ = writeln!(text, "# UNIT {shown} {unit}");
        }
        for (labels, value) in samples {
            let labels: Vec<_> =
                labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(text, "{name}{suffix}{labels} {value}");
        }
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families() -> Vec<Family> {
        let mut build = Family::new("lifeboat_build", Kind::Info, "The program.");
        build.add(vec![("version", "0.1.0".into())], 1.0);
        let mut last = Family::new("lifeboat_last_success_timestamp_seconds", Kind::Gauge, "When.");
        last.add(vec![("branch", "a\"b\\c\nd".into())], 1_764_000_000.0);
        let mut sent = Family::new("lifeboat_notify_deliveries", Kind::Counter, "Messages.");
        sent.add(Vec::new(), 3.0);
        let mut state = Family::new("lifeboat_last_run_status", Kind::StateSet, "How it ended.");
        state.add_state(&Vec::new(), &["ok", "failed"], "failed");
        vec![build, last, sent, state, Family::new("lifeboat_nothing", Kind::Gauge, "No samples.")]
    }

    #[test]
    fn the_older_form_has_gauges_and_totals() {
        let expected = r#"# HELP lifeboat_build_info The program.
# TYPE lifeboat_build_info gauge
lifeboat_build_info{version="0.1.0"} 1
# HELP lifeboat_last_success_timestamp_seconds When.
# TYPE lifeboat_last_success_timestamp_seconds gauge
lifeboat_last_success_timestamp_seconds{branch="a\"b\\c\nd"} 1764000000
# HELP lifeboat_notify_deliveries_total Messages.
# TYPE lifeboat_notify_deliveries_total counter
lifeboat_notify_deliveries_total 3
# HELP lifeboat_last_run_status How it ended.
# TYPE lifeboat_last_run_status gauge
lifeboat_last_run_status{lifeboat_last_run_status="ok"} 0
lifeboat_last_run_status{lifeboat_last_run_status="failed"} 1
"#;
        assert_eq!(Format::Text.render(&families()), expected);
    }

    #[test]
    fn openmetrics_has_units_and_an_end() {
        let text = Format::OpenMetrics.render(&families());
        for line in [
            "# TYPE lifeboat_build info",
            "# TYPE lifeboat_notify_deliveries counter",
            "lifeboat_notify_deliveries_total 3",
            "# TYPE lifeboat_last_run_status stateset",
            "# UNIT lifeboat_last_success_timestamp_seconds seconds",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("\n# EOF\n"), "{text}");
    }

    #[test]
    fn the_form_is_the_clients_choice() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2";
        assert_eq!(Format::accepted(Some(prometheus)), Format::OpenMetrics);
        assert_eq!(Format::accepted(Some("text/html")), Format::Text);
        assert_eq!(Format::accepted(None), Format::Text);
    }
}
