//! Keys: what is sealed, who can open it, and where identities must not be.

use jiff::SignedDuration;
use lifeboat_console::human_duration;

use super::super::control::{Control, Depth, Judgement, Severity, without_config};
use super::super::said::{said, words};
use super::{DAY, list};

/// A sealing key that is older belongs to people of another time.
const KEY_AGE_MAX: SignedDuration = SignedDuration::from_hours(365 * 24);

pub static CRY_01: Control = Control {
    id: "CRY-01",
    severity: Severity::Critical,
    title: words("No readable object in any copy", "任何副本中都没有明文对象"),
    supports: &[
        "PIPL (CN) art. 51(3)",
        "GDPR art. 32(1)(a)",
        "NIST SP 800-53 r5 CP-9(8)",
        "CIS Controls v8 11.3",
        "GB/T 22239-2019 8.1.4.8",
    ],
    rationale: words("Whoever gets hold of the store must get nothing.", "取得存储的人不应取得任何数据。"),
    does_not_show: words(
        "every object: a sample was read; public keys and names of hosts are signed and readable by design; \
         the algorithms of age are none of the SM family (GB/T 39786-2021)",
        "全部对象：仅抽样读取；公钥与主机名按设计签名且可读；age 的算法不属于国密算法（GB/T 39786-2021）",
    ),
    valid_hours: 24,
    judge: |facts| {
        let seen = || facts.stores.iter().filter_map(|store| Some((store, store.found.as_ref().ok()?)));
        let evidence = || seen().map(|(_, listing)| &listing.read);
        let named = |(name, object): (&str, &String)| format!("{name}: {object}");
        let open = seen().flat_map(|(store, listing)| listing.open.iter().map(|o| (store.name.as_str(), o)));
        let open = open.map(named).collect::<Vec<_>>().join(", ");
        if !open.is_empty() {
            return Judgement::fail(Depth::Probe, said!("readable: {open}", "可读的对象：{open}"))
                .seen(evidence());
        }
        let sampled: u64 = seen().map(|(_, listing)| listing.sampled).sum();
        let unjudged: usize = seen().map(|(_, listing)| listing.unjudged.len()).sum();
        let lost = facts.stores.iter().filter(|store| store.found.is_err());
        let lost = list(lost.map(|store| store.name.as_str()));
        if sampled == 0 || unjudged > 0 || !lost.is_empty() {
            return Judgement::unknown(said!(
                "objects sampled: {sampled}; of a kind not known: {unjudged}; stores not reached: {lost}",
                "已抽样对象 {sampled} 个；未知类型 {unjudged} 个；无法访问的存储：{lost}"
            ))
            .seen(evidence());
        }
        let said = said!("objects sampled, none readable: {sampled}", "已抽样对象 {sampled} 个，均不可读");
        Judgement::pass(Depth::Probe, said).seen(evidence())
    },
};

pub static CRY_02: Control = Control {
    id: "CRY-02",
    severity: Severity::Critical,
    title: words(
        "Two recipients for each grade, one of them an escrow kept offline",
        "每个级别至少两名接收者，其中一名为离线托管",
    ),
    supports: &["NIST SP 800-53 r5 SC-12(1)"],
    rationale: words("A lost key must not lose the data.", "丢失一把密钥不应导致数据丢失。"),
    does_not_show: words(
        "that the people still have their keys, or that the escrow is offline",
        "相关人员是否仍持有其密钥；托管密钥是否离线",
    ),
    valid_hours: 24,
    judge: |facts| {
        let evidence = [&facts.vault.keyring];
        // Where it takes two together, three must be there, so that one may be lost.
        let needed = |quorum: u64| quorum + 1;
        let keys = || facts.vault.keys.iter().filter_map(|key| Some((key, key.opens.as_deref()?)));
        let thin = keys().filter(|(key, opens)| (opens.len() as u64) < needed(key.quorum));
        let thin = list(thin.map(|(key, _)| key.realm.as_str()));
        if !thin.is_empty() {
            let said =
                said!("too few people, should one key be lost: {thin}", "若丢失一把密钥，人数不足：{thin}");
            return Judgement::fail(Depth::Probe, said)
                .seen(evidence)
                .fix(words("name a second person, or an escrow key", "增加第二个人或托管密钥"));
        }
        let unread = facts.vault.keys.len() - keys().count();
        if facts.vault.keys.is_empty() || unread > 0 {
            return Judgement::unknown(words("wrapped keys could not be read", "无法读取封装的密钥"))
                .seen(evidence);
        }
        let is_escrow = |name: &&str| name.contains("escrow");
        let escrows = list(facts.vault.people.iter().map(|(name, _)| name.as_str()).filter(is_escrow));
        if escrows.is_empty() {
            return Judgement::unknown(words(
                "each grade survives the loss of a key; none of the people is called an escrow",
                "丢失一把密钥后各级别仍可打开；没有名称含 escrow 的人员",
            ))
            .seen(evidence);
        }
        let without =
            keys().filter(|(_, opens)| !opens.iter().map(String::as_str).any(|name| is_escrow(&name)));
        let without = list(without.map(|(key, _)| key.realm.as_str()));
        if !without.is_empty() {
            let said =
                said!("no escrow ({escrows}) opens: {without}", "托管（{escrows}）不能打开：{without}");
            return Judgement::fail(Depth::Probe, said).seen(evidence).fix(words(
                "`lifeboat-restore keys add` gives it more grades",
                "用 lifeboat-restore keys add 增加其级别",
            ));
        }
        let said = said!(
            "two recipients for each grade; escrow: {escrows}",
            "每个级别有两名接收者；托管：{escrows}"
        );
        Judgement::pass(Depth::Probe, said).seen(evidence)
    },
};

pub static CRY_03: Control = Control {
    id: "CRY-03",
    severity: Severity::Critical,
    title: words("The agent's host holds no person's identity", "代理主机上没有任何人的私钥"),
    supports: &["PIPL (CN) art. 51(3)", "NIST SP 800-53 r5 SC-12(1)"],
    rationale: words("A thief of the host would open every backup.", "窃取主机者将能打开全部备份。"),
    does_not_show: words("keys in other places of the host, or in its memory", "主机其他位置或内存中的密钥"),
    valid_hours: 24,
    judge: |facts| match &facts.host {
        None => Judgement::unknown(words("this is not the agent's host", "本机不是代理主机"))
            .fix(words("run the report there too", "请在代理主机上也运行本报告")),
        Some(host) if !host.identities.is_empty() => {
            let places = list(host.identities.iter().map(String::as_str));
            Judgement::fail(Depth::Probe, said!("found: {places}", "发现：{places}"))
                .seen([&host.read])
                .fix(words("move it to its owner's machine", "请移至其所有者的机器"))
        }
        Some(host) if !host.unread.is_empty() => {
            let unread = list(host.unread.iter().map(String::as_str));
            let said = said!(
                "it cannot be told whether a person's is among these: {unread}",
                "无法判断其中是否有人员的私钥：{unread}"
            );
            Judgement::unknown(said).seen([&host.read]).fix(words(
                "run the report as root; put the public half beside an SSH key, as NAME.pub, or move the key away",
                "请以 root 身份运行本报告；将公钥以 NAME.pub 放在 SSH 私钥旁边，或移走私钥",
            ))
        }
        Some(host) => {
            let said = words("none was found in the usual places", "常见位置未发现私钥");
            Judgement::pass(Depth::Probe, said).seen([&host.read])
        }
    },
};

pub static CRY_04: Control = Control {
    id: "CRY-04",
    severity: Severity::Critical,
    title: words(
        "Only people of the configuration are sealed to, with keys of this year",
        "只加密给配置中的人员，且密钥不超过一年",
    ),
    supports: &["NIST SP 800-53 r5 PS-4 b", "ISO/IEC 27001:2022 A.5.18, A.8.24"],
    rationale: words("Who has left must not open what is written now.", "离职人员不应能打开新写入的数据。"),
    does_not_show: words(
        "what a departed person can still open of earlier snapshots; that the configuration knows who left",
        "离职人员仍可打开的旧快照；配置是否已反映离职情况",
    ),
    valid_hours: 24,
    judge: |facts| {
        let Some(config) = &facts.config else { return without_config() };
        let evidence = [&config.read, &facts.vault.keyring];
        // Of an SSH key the comment counts for nothing.
        let key = |recipient: &str| recipient.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        let known = |recipient: &str| config.people.iter().any(|(_, other)| key(other) == key(recipient));
        let gone = facts.vault.people.iter().filter(|(_, recipient)| !known(recipient));
        let gone = list(gone.map(|(name, _)| name.as_str()));
        if !gone.is_empty() {
            let said = said!(
                "the vault is sealed to people whom the configuration does not name: {gone}",
                "保险库仍加密给配置之外的人员：{gone}"
            );
            return Judgement::fail(Depth::Probe, said).seen(evidence);
        }
        let strangers = list(facts.vault.strangers.iter().map(String::as_str));
        if !strangers.is_empty() {
            let said = said!(
                "wrapped to somebody whom the keyring does not list: {strangers}",
                "封装给密钥环未列出的人员：{strangers}"
            );
            return Judgement::fail(Depth::Probe, said).seen(evidence).fix(words(
                "`lifeboat-restore keys list` says more; keys rewrap wraps them anew",
                "用 lifeboat-restore keys list 查看；用 keys rewrap 重新封装",
            ));
        }
        let keys = &facts.vault.keys;
        let is_old = |since: jiff::Timestamp| facts.now.duration_since(since) > KEY_AGE_MAX;
        let old = list(keys.iter().filter(|key| key.since.is_some_and(is_old)).map(|k| k.realm.as_str()));
        if !old.is_empty() {
            return Judgement::fail(
                Depth::Probe,
                said!("keys older than a year: {old}", "超过一年的密钥：{old}"),
            )
            .seen(evidence);
        }
        let unread = list(facts.vault.unread_keys.iter().map(String::as_str));
        if !unread.is_empty() {
            let said = said!("wrapped keys that could not be read: {unread}", "无法读取的封装密钥：{unread}");
            return Judgement::unknown(said).seen(evidence);
        }
        if keys.is_empty() || keys.iter().any(|key| key.since.is_none()) {
            return Judgement::unknown(words("the age of a key is not known", "密钥年龄未知")).seen(evidence);
        }
        let count = facts.vault.people.len();
        let said = said!("people, all of the configuration: {count}", "人员 {count} 名，均在配置中");
        Judgement::pass(Depth::Probe, said).seen(evidence)
    },
};

pub static CRY_06: Control = Control {
    id: "CRY-06",
    severity: Severity::High,
    title: words("The escrow identity opened a snapshot within 180 days", "托管密钥在 180 天内打开过快照"),
    supports: &["NIST SP 800-53 r5 SC-12(1)", "CIS Controls v8 11.5"],
    rationale: words("A key in a safe may be the wrong one.", "保险柜中的密钥可能是错的。"),
    does_not_show: words(
        "use with credentials that may not write the record; that it lay in the safe before",
        "使用无权写入审计记录的凭据的情况；密钥此前是否存放于保险柜",
    ),
    valid_hours: 24,
    judge: |facts| {
        let evidence = [&facts.audit.read];
        if facts.audit.entries == 0 || !facts.audit.broken.is_empty() {
            let said = words("the record is empty or broken", "审计记录为空或已损坏");
            return Judgement::unknown(said).seen(evidence);
        }
        if !facts.vault.people.iter().any(|(name, _)| name.contains("escrow")) {
            let said = words("none of the people is called an escrow", "没有名称含 escrow 的人员");
            return Judgement::unknown(said).seen(evidence);
        }
        let age = facts.deeds.escrow.map_or("-".to_owned(), human_duration);
        let said = said!(
            "the escrow last opened rows, in a restore or a verification, {age} ago",
            "托管密钥上次在恢复或校验中打开数据行距今 {age}"
        );
        if facts.deeds.escrow.is_some_and(|age| age <= DAY * 180) {
            return Judgement::pass(Depth::Config, said).seen(evidence);
        }
        Judgement::fail(Depth::Config, said).seen(evidence).fix(words(
            "`lifeboat-restore verify --read-data --identity ESCROW.key`",
            "运行 lifeboat-restore verify --read-data --identity ESCROW.key",
        ))
    },
};
