//! Copies: how many, how far apart, how whole, and who may destroy them.

use std::collections::BTreeSet;

use super::super::control::{Control, Depth, Judgement, Severity, without_config};
use super::super::evidence::Evidence;
use super::super::facts::{Facts, Locks, StoreFacts};
use super::super::said::{said, words};
use super::list;

/// Stores that were reached, and names of those that were not.
fn reached(facts: &Facts) -> (Vec<&StoreFacts>, String) {
    let (seen, lost): (Vec<_>, Vec<_>) = facts.stores.iter().partition(|store| store.found.is_ok());
    (seen, list(lost.iter().map(|store| store.name.as_str())))
}

/// Of every store that was reached.
pub(super) fn listings(facts: &Facts) -> impl Iterator<Item = &Evidence> {
    facts.stores.iter().filter_map(|store| store.found.as_ref().ok()).map(|listing| &listing.read)
}

/// Whether nothing but folders is known, which may all be on one disk.
fn only_folders(facts: &Facts) -> bool {
    !facts.stores.is_empty() && facts.stores.iter().all(|store| store.url.starts_with("file:"))
}

/// Whether a store was reached and holds something that could be restored.
fn holds(store: &StoreFacts) -> bool {
    store.found.as_ref().is_ok_and(|listing| listing.snapshots > 0)
}

/// Whether every object sampled in a store, which holds something, is under a lock that nobody can lift.
fn is_locked(store: &StoreFacts) -> bool {
    let locks = store.found.as_ref().map(|listing| &listing.locks);
    holds(store) && matches!(locks, Ok(Locks::Read { asked: 1.., open }) if open.is_empty())
}

/// How many providers and accounts some stores are with for certain, and how many at most: two keys may be of
/// one account.
fn owners<'a>(stores: impl IntoIterator<Item = &'a StoreFacts>) -> (usize, usize) {
    let (mut certain, mut perhaps) = (BTreeSet::new(), BTreeSet::new());
    for store in stores {
        let account = store.account.as_str();
        certain.insert((&store.provider, if store.account_is_known { account } else { "" }));
        perhaps.insert((&store.provider, account));
    }
    (certain.len(), perhaps.len())
}

pub static CPY_01: Control = Control {
    id: "CPY-01",
    severity: Severity::Critical,
    title: words(
        "Three copies, production included, the others with two independent providers or accounts",
        "含生产数据在内共三份，其余分属两个独立的供应商或账户",
    ),
    supports: &["3-2-1-1-0 rule (industry practice)", "CIS Controls v8 11.4"],
    rationale: words(
        "One closed account or one dead disk must not take every copy.",
        "一个账户被关闭或一块磁盘损坏，不应导致全部副本丢失。",
    ),
    does_not_show: words(
        "that two accounts are paid and administered by different people; folders count as this machine",
        "两个账户是否由不同的人付费与管理；文件夹视为本机",
    ),
    valid_hours: 24,
    judge: |facts| {
        let Some(config) = &facts.config else { return without_config() };
        let evidence = || listings(facts).chain([&config.read]);
        let good: Vec<_> = facts.stores.iter().filter(|store| holds(store)).collect();
        let (copies, (independent, _)) = (good.len() + 1, owners(good));
        if copies >= 3 && independent >= 2 {
            let said = said!(
                "copies: {copies}, production included; independent places of the others: {independent}",
                "含生产数据在内 {copies} 份；其余的独立存放处 {independent} 个"
            );
            return Judgement::pass(Depth::Probe, said).seen(evidence());
        }
        let (_, lost) = reached(facts);
        let perhaps: Vec<_> =
            facts.stores.iter().filter(|store| holds(store) || store.found.is_err()).collect();
        let (perhaps, (_, places)) = (perhaps.len() + 1, owners(perhaps));
        if perhaps >= 3 && places >= 2 {
            let said = said!(
                "independent places for certain: {independent}; not reached: {lost}; two keys at one provider may be of one account",
                "可确定的独立存放处 {independent} 个；无法访问：{lost}；同一供应商的两个密钥可能属于同一账户"
            );
            return Judgement::unknown(said).seen(evidence());
        }
        let empty = facts.stores.iter().filter(|store| store.found.is_ok() && !holds(store)).count();
        let said = said!(
            "copies: {copies}, production included; independent places of the others: {independent}; stores without a snapshot: {empty}",
            "含生产数据在内 {copies} 份；其余的独立存放处 {independent} 个；没有快照的存储 {empty} 个"
        );
        Judgement::fail(Depth::Config, said)
            .seen(evidence())
            .fix(words("add a [[vault.copy]] with another provider", "在另一供应商处增加 [[vault.copy]]"))
    },
};

pub static CPY_02: Control = Control {
    id: "CPY-02",
    severity: Severity::Critical,
    title: words("A copy in another region than production", "至少一份副本与生产不在同一区域"),
    supports: &["GB/T 22239-2019 7.1.4.8 b)", "NIST SP 800-53 r5 CP-9(3), CP-6", "GB/T 20988-2025"],
    rationale: words("A fire or a flood takes what is in one place.", "火灾或洪水会摧毁同一地点的一切。"),
    does_not_show: words(
        "real-time off-site backup or hot redundancy (GB/T 22239-2019 8.1.4.9 b, c), which snapshots do not \
         give; that a region in the settings is where the bucket is",
        "异地实时备份或热冗余（GB/T 22239-2019 8.1.4.9 b、c），快照不提供；设置中的区域是否为存储桶实际所在",
    ),
    valid_hours: 24,
    judge: |facts| {
        let Some(config) = &facts.config else { return without_config() };
        let evidence = || listings(facts).chain([&config.read]);
        if only_folders(facts) {
            let said = words(
                "every copy is a folder, perhaps of one machine",
                "所有副本都是文件夹，可能位于同一台机器",
            );
            return Judgement::fail(Depth::Config, said)
                .seen(evidence())
                .fix(words("add a [[vault.copy]] in another region", "在另一区域增加 [[vault.copy]]"));
        }
        let (seen, lost) = reached(facts);
        let good = seen.into_iter().filter(|store| holds(store));
        let regions: BTreeSet<_> = good.filter_map(|store| store.region.as_deref()).collect();
        let (count, regions) = (regions.len(), list(regions));
        // Wherever production is, one of two regions is another.
        if count >= 2 {
            return Judgement::pass(Depth::Config, said!("regions: {regions}", "区域：{regions}"))
                .seen(evidence());
        }
        Judgement::unknown(said!(
            "production's region is not declared; regions of stores: {regions}; not reached: {lost}",
            "未声明生产所在区域；存储区域：{regions}；无法访问：{lost}"
        ))
        .seen(evidence())
    },
};

pub static CPY_04: Control = Control {
    id: "CPY-04",
    severity: Severity::High,
    title: words("Each copy holds every object of every snapshot", "每份副本包含所有快照的全部对象"),
    supports: &["Implementing Regulation (EU) 2024/2690 Annex 4.2.3", "NIST SP 800-53 r5 CP-9(5)"],
    rationale: words(
        "A copy that lacks one pack restores nothing whole.",
        "缺少一个数据包的副本无法完整恢复。",
    ),
    does_not_show: words(
        "that the bytes are whole: names and sizes were compared",
        "字节是否完好：仅比较了名称与大小",
    ),
    valid_hours: 24,
    judge: |facts| {
        if facts.config.is_none() {
            return without_config();
        }
        let copies = facts.stores.get(1..).unwrap_or_default();
        if copies.is_empty() {
            return Judgement::not_applicable(words("no copy is configured", "未配置副本"));
        }
        let lacking = copies.iter().filter(|copy| !copy.in_part).filter_map(|copy| {
            let lacking = copy.found.as_ref().ok()?.lacking;
            (lacking > 0).then(|| format!("{} ({lacking})", copy.name))
        });
        let lacking = lacking.collect::<Vec<_>>().join(", ");
        if !lacking.is_empty() {
            return Judgement::fail(Depth::Probe, said!("lacking objects: {lacking}", "缺少对象：{lacking}"))
                .seen(listings(facts))
                .fix(words("run `lifeboat-agent copy`", "运行 lifeboat-agent copy"));
        }
        let unseen = copies.iter().filter(|copy| copy.in_part || copy.found.is_err());
        let unseen = list(unseen.map(|copy| copy.name.as_str()));
        if !unseen.is_empty() {
            return Judgement::unknown(said!(
                "not reached, or given a part only by a `keep` of its own: {unseen}",
                "无法访问，或按其自身的 keep 只保存一部分：{unseen}"
            ))
            .seen(listings(facts));
        }
        let count = copies.len();
        Judgement::pass(Depth::Probe, said!("whole copies: {count}", "完整的副本：{count} 份"))
            .seen(listings(facts))
    },
};

pub static IMM_01: Control = Control {
    id: "IMM-01",
    severity: Severity::Critical,
    title: words(
        "A copy under an object lock that nobody can lift, read back",
        "至少一份副本处于任何人不可解除的对象锁之下，并已回读",
    ),
    supports: &["CISA #StopRansomware Guide", "CIS Controls v8 11.4"],
    rationale: words("Ransomware deletes backups first.", "勒索软件首先删除备份。"),
    does_not_show: words(
        "that an account's owner cannot close the account; every object: a sample was asked; that a lock lasts as \
         long as its snapshot is to be kept",
        "账户所有者是否可以注销账户；全部对象：仅抽样询问；锁定期是否覆盖快照的保留期",
    ),
    valid_hours: 24,
    judge: |facts| {
        if only_folders(facts) {
            return Judgement::fail(Depth::Config, words("folders have no object lock", "文件夹没有对象锁"))
                .seen(listings(facts))
                .fix(words("keep a copy in a bucket that locks", "在支持对象锁的存储桶中保留一份副本"));
        }
        let (mut locked, mut in_part, mut unread) = (Vec::new(), Vec::new(), Vec::new());
        for store in &facts.stores {
            let name = store.name.as_str();
            match store.found.as_ref().map(|listing| &listing.locks) {
                Err(_) => unread.push(name.to_owned()),
                Ok(Locks::NotRead(why)) => unread.push(format!("{name} ({why})")),
                Ok(Locks::Impossible) => {}
                Ok(Locks::Read { asked, open }) => match open.len() as u64 {
                    0 if holds(store) => locked.push(format!("{name} ({asked})")),
                    some if (1..*asked).contains(&some) => in_part.push(format!("{name} ({some}/{asked})")),
                    _ => {}
                },
            }
        }
        if !locked.is_empty() {
            let locked = locked.join(", ");
            let said = said!(
                "every object sampled is under a lock that nobody can lift: {locked}",
                "抽样对象均处于任何人不可解除的锁之下：{locked}"
            );
            return Judgement::pass(Depth::Probe, said).seen(listings(facts));
        }
        if facts.stores.is_empty() || !in_part.is_empty() || !unread.is_empty() {
            let (in_part, unread) = (in_part.join(", "), unread.join(", "));
            return Judgement::unknown(said!(
                "objects without such a lock, of those sampled: {in_part}; locks that were not read: {unread}",
                "抽样中没有此类锁的对象：{in_part}；未能回读的锁：{unread}"
            ))
            .seen(listings(facts));
        }
        Judgement::fail(
            Depth::Probe,
            words(
                "no object sampled is under a lock that nobody can lift",
                "抽样对象均不处于任何人不可解除的锁之下",
            ),
        )
        .seen(listings(facts))
        .fix(words(
            "lock = { days = 30, mode = \"compliance\" } in [vault] or [[vault.copy]]",
            "在 [vault] 或 [[vault.copy]] 中写入 lock = { days = 30, mode = \"compliance\" }",
        ))
    },
};

pub static IMM_02: Control = Control {
    id: "IMM-02",
    severity: Severity::Critical,
    title: words("The writing credential cannot delete or overwrite", "写入凭据不能删除或覆盖"),
    supports: &["NIST SP 800-53 r5 AC-5, CP-9(7)"],
    rationale: words(
        "Whoever takes over the agent's host must not destroy the past.",
        "攻陷代理主机者不应能够销毁历史备份。",
    ),
    does_not_show: words(
        "what other credentials of the account may do; where locks stand for it, that a delete, which hides a version, \
         is refused as well",
        "该账户其他凭据的权限；以锁为证时，仅隐藏版本的删除操作是否也会被拒绝",
    ),
    valid_hours: 24,
    judge: |facts| {
        if only_folders(facts) {
            let said =
                words("whoever writes into a folder can delete in it", "能写入文件夹者即可删除其中内容");
            return Judgement::fail(Depth::Config, said).seen(listings(facts));
        }
        // What nobody may delete or overwrite, the writer may not.
        let open = facts.stores.iter().filter(|store| !is_locked(store));
        let open = list(open.map(|store| store.name.as_str()));
        if open.is_empty() && !facts.stores.is_empty() {
            let said = words(
                "every object sampled in every store is under a lock that nobody can lift",
                "各存储的抽样对象均处于任何人不可解除的锁之下",
            );
            return Judgement::pass(Depth::Probe, said).seen(listings(facts));
        }
        Judgement::unknown(said!(
            "a report writes nothing, and so tries no delete; without a lock that nobody can lift: {open}",
            "报告不写入任何内容，因此未尝试删除；没有任何人不可解除的锁的存储：{open}"
        ))
        .seen(listings(facts))
        .fix(words("try a delete with the agent's credential by hand", "请用代理的凭据手工尝试删除"))
    },
};
