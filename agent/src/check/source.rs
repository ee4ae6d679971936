//! A source: what its connector finds, and what of it nobody has graded.

use lifeboat_config::Source;
use lifeboat_connectors::{Checked, Severity};
use lifeboat_console::{CommandError, counted};

use super::{Findings, finding};
use crate::grades::{Catalogue, named};
use crate::host;

const GRADES: &str = "grades";

/// Connects and looks; changes nothing on the source.
pub async fn all(source: &Source, findings: &mut Findings) {
    let name = Some(source.name.as_str());
    let checked = match look(source).await {
        Ok(checked) => checked,
        Err(error) => return findings.error(name, "connection", error),
    };
    checked.findings.into_iter().for_each(|finding| findings.add(name, finding));
    if source.grades.is_empty() {
        let text = "everything is high: there are no [source.grades]";
        let hint = format!("`lifeboat-agent classify --source {}` proposes some, for review", source.name);
        return findings.add(name, finding(Severity::Ok, GRADES, text, Some(hint)));
    }
    match Catalogue::of(&source.grades, &checked.tables) {
        Ok(catalogue) => tell_grades(&source.name, &catalogue, findings),
        Err(error) => findings.error(name, GRADES, error),
    }
}

fn tell_grades(source: &str, catalogue: &Catalogue, findings: &mut Findings) {
    let [high, medium, low] = catalogue.columns;
    let text = format!("{high} columns are high, {medium} medium, {low} low");
    findings.add(Some(source), finding(Severity::Ok, GRADES, text, None));
    let ungraded = catalogue.ungraded();
    if !ungraded.is_empty() {
        let text = format!("{} graded by nobody, and so high: {}", ungraded.len(), named(&ungraded));
        let hint =
            "name them in [source.grades], if only as high: then what is new will stand out".to_owned();
        findings.add(Some(source), finding(Severity::Warning, GRADES, text, Some(hint)));
    }
    if !catalogue.lowered.is_empty() {
        let keys = counted(catalogue.lowered.len() as u64, "column");
        let text = format!(
            "{keys} of keys can be opened by whoever opens the least of their row: {}",
            named(&catalogue.lowered)
        );
        let hint = "name them in [source.grades] as low as that, or grade their tables as high as them; without its \
                    key no row can be restored"
            .to_owned();
        findings.add(Some(source), finding(Severity::Warning, GRADES, text, Some(hint)));
    }
    if !catalogue.unused.is_empty() {
        let text = format!("no column is meant by {}", named(&catalogue.unused));
        findings.add(Some(source), finding(Severity::Warning, GRADES, text, None));
    }
}

async fn look(source: &Source) -> Result<Checked, CommandError> {
    Ok(host::open_source(source)?.check().await?)
}
