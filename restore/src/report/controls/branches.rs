//! Branches, which must not see each other's data: only the file of every vault can answer for them.

use std::collections::BTreeMap;

use super::super::control::{Control, Depth, Judgement, Severity};
use super::super::facts::{Facts, FleetFacts, Reach};
use super::super::said::{said, words};
use super::list;

/// What is said where one vault was read.
fn alone() -> Judgement {
    Judgement::unknown(words(
        "one vault was read; what it shares with another is not seen",
        "只读取了一个保险库，无法判断其与其他保险库的关系",
    ))
    .fix(words(
        "run the report with --vaults FILE, the file that `lifeboat-restore fleet` reads",
        "使用 --vaults 文件 生成报告，即 lifeboat-restore fleet 所读的文件",
    ))
}

/// What is said where something was not seen, or this vault is none of the file's.
fn incomplete(facts: &Facts, fleet: &FleetFacts, unseen: &str) -> Option<Judgement> {
    let is_this = |id: &str| id == facts.vault.id;
    let named = fleet.vaults.iter().any(|one| one.keys.as_ref().is_ok_and(|keys| is_this(&keys.id)));
    let count = fleet.vaults.len();
    if unseen.is_empty() && named && count > 1 {
        return None;
    }
    let said = said!(
        "vaults that the file names: {count}; this one is among those opened: {named}; not seen: {unseen}",
        "文件列出的保险库 {count} 个；本保险库是否在已打开者之列：{named}；未能查看：{unseen}"
    );
    Some(Judgement::unknown(said).seen([&fleet.read]))
}

pub static CRY_09: Control = Control {
    id: "CRY-09",
    severity: Severity::Critical,
    title: words("Branches share no key and no chunk", "各分支机构之间不共享密钥与数据块"),
    supports: &["PIPL (CN) art. 51(4)"],
    rationale: words("One branch must not open another's data.", "一个分支机构不应能打开另一个的数据。"),
    does_not_show: words(
        "that whoever opens every vault is of head office; keys that people share outside of Lifeboat; vaults that the \
         file does not name",
        "能打开全部保险库者是否属于总部；在 Lifeboat 之外共享的密钥；文件中未列出的保险库",
    ),
    valid_hours: 24,
    judge: |facts| {
        let Some(fleet) = &facts.fleet else { return alone() };
        let evidence = [&fleet.read];
        let opened =
            || fleet.vaults.iter().filter_map(|one| Some((one.name.as_str(), one.keys.as_ref().ok()?)));
        let (mut shared, count) = (Vec::new(), fleet.vaults.len());
        for (at, (first, one)) in opened().enumerate() {
            for (second, other) in opened().skip(at + 1) {
                if one.mark == other.mark || !one.sealing.is_disjoint(&other.sealing) {
                    shared.push(format!("{first} + {second}"));
                }
            }
        }
        let mut places: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
        for (recipient, name) in opened().flat_map(|(_, keys)| &keys.people) {
            places.entry(recipient).or_insert((name, 0)).1 += 1;
        }
        // Whoever is in every vault that could be opened is head office's; a branch's own people are in its vault alone.
        let of_some = places.values().filter(|(_, places)| (2..opened().count()).contains(places));
        let (shared, of_some) = (shared.join(", "), list(of_some.map(|(name, _)| *name)));
        if !shared.is_empty() || !of_some.is_empty() {
            let said = said!(
                "vaults that share a sealing key or the secret of chunk ids: {shared}; people of several vaults, but \
                 not of all: {of_some}",
                "共享密封密钥或数据块标识密钥的保险库：{shared}；属于多个但非全部保险库的人员：{of_some}"
            );
            return Judgement::fail(Depth::Probe, said).seen(evidence).fix(words(
                "make a vault of its own for each branch with `lifeboat-agent init`; `keys retire` takes people out",
                "用 lifeboat-agent init 为每个分支机构建立独立的保险库；用 keys retire 移除人员",
            ));
        }
        let closed = fleet.vaults.iter().filter(|one| one.keys.is_err());
        let closed = list(closed.map(|one| one.name.as_str()));
        if let Some(unknown) = incomplete(facts, fleet, &closed) {
            return unknown;
        }
        let of_all = places.values().filter(|(_, places)| *places == count);
        let of_all = list(of_all.map(|(name, _)| *name));
        let said = said!(
            "vaults that share no sealing key and no secret of chunk ids: {count}; people of every one: {of_all}",
            "不共享密封密钥与数据块标识密钥的保险库：{count} 个；属于全部保险库的人员：{of_all}"
        );
        Judgement::pass(Depth::Probe, said).seen(evidence)
    },
};

pub static ACC_06: Control = Control {
    id: "ACC-06",
    severity: Severity::Critical,
    title: words(
        "A branch's operator neither lists nor opens another branch's data",
        "分支机构人员不能列出或打开其他分支机构的数据",
    ),
    supports: &["PIPL (CN) art. 51(4)"],
    rationale: words("Branches must not see each other's customers.", "分支机构之间不应看到彼此的客户。"),
    does_not_show: words(
        "what other credentials of a branch reach; that nothing can be written; vaults in stores of another kind, where \
         these credentials say nothing; what whoever gets into another branch's host reads there; vaults that the file \
         does not name",
        "该分支机构的其他凭据可访问的内容；能否写入；位于其他类型存储中的保险库（凭据在彼处无意义，未作尝试）；入侵其他分支机构主机者可读取的内容；文件中未列出的保险库",
    ),
    valid_hours: 24,
    judge: |facts| {
        let Some(fleet) = &facts.fleet else { return alone() };
        let evidence = [&fleet.read];
        let open = fleet.tried.iter().filter(|tried| tried.reach == Reach::Open);
        let open = open.map(|tried| format!("{} -> {}", tried.of, tried.at)).collect::<Vec<_>>().join(", ");
        if !open.is_empty() {
            let said = said!(
                "credentials of one vault that list or read another: {open}",
                "可列出或读取其他保险库的凭据：{open}"
            );
            return Judgement::fail(Depth::Probe, said).seen(evidence).fix(words(
                "give each branch credentials for its own prefix alone: config/STORES.md",
                "为每个分支机构配置仅限自身前缀的凭据：见 config/STORES.md",
            ));
        }
        let untried = fleet.tried.iter().filter_map(|tried| match &tried.reach {
            Reach::Unknown(why) => Some(format!("{} -> {} ({why})", tried.of, tried.at)),
            Reach::Denied | Reach::Open => None,
        });
        let untried = untried.collect::<Vec<_>>().join(", ");
        let count = fleet.tried.len();
        let untried = if count == 0 { "-" } else { &untried };
        if let Some(unknown) = incomplete(facts, fleet, untried) {
            return unknown;
        }
        let said = said!(
            "attempts to list and to read another vault with one's own credentials, each denied: {count}",
            "用自身凭据列出并读取其他保险库的尝试，均被拒绝：{count} 次"
        );
        Judgement::pass(Depth::Probe, said).seen(evidence)
    },
};
