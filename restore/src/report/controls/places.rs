//! Where copies lie.

use super::super::control::{Control, Depth, Judgement, Severity, without_config};
use super::super::said::{said, words};
use super::copies::listings;

pub static XBR_01: Control = Control {
    id: "XBR-01",
    severity: Severity::Critical,
    title: words(
        "Each copy lies in a region that is allowed to this branch",
        "每份副本均位于该分支机构允许的区域",
    ),
    supports: &["PIPL (CN) art. 38, 40", "Cybersecurity Law (CN) art. 39", "GDPR art. 44"],
    rationale: words("A copy abroad may be an export of personal data.", "境外副本可能构成个人信息出境。"),
    does_not_show: words(
        "where the provider keeps further copies of a bucket, or its staff are; who reads a copy from another country; \
         that the regions declared are those which the law allows",
        "供应商是否在别处另存副本、其人员所在地；是否有人从境外读取副本；所声明的区域是否为法律所允许",
    ),
    valid_hours: 24,
    judge: |facts| {
        let Some(config) = &facts.config else { return without_config() };
        let evidence = || listings(facts).chain([&config.read]);
        let (mut outside, mut undeclared, mut unseen, mut seen) = Default::default();
        for store in &facts.stores {
            let told = |list: &mut Vec<String>, what: &str| list.push(format!("{} ({what})", store.name));
            match &store.lies_in {
                Ok(region) if store.allowed.contains(region) => told(&mut seen, region),
                Ok(region) if store.allowed.is_empty() => told(&mut undeclared, region),
                Ok(region) => told(&mut outside, region),
                Err(why) => told(&mut unseen, why),
            }
        }
        let [outside, undeclared, unseen, seen] =
            [outside, undeclared, unseen, seen].map(|list: Vec<String>| list.join(", "));
        if !outside.is_empty() {
            let said = said!(
                "in a region that is not declared as allowed: {outside}",
                "位于未声明为允许的区域：{outside}"
            );
            return Judgement::fail(Depth::Probe, said).seen(evidence());
        }
        if !undeclared.is_empty() || !unseen.is_empty() || seen.is_empty() {
            return Judgement::unknown(said!(
                "no allowed region is declared of: {undeclared}; where these lie is not known: {unseen}",
                "未声明允许区域：{undeclared}；所在区域未知：{unseen}"
            ))
            .seen(evidence())
            .fix(words(
                "write `regions = [\"…\"]` in [vault] and each [[vault.copy]]",
                "在 [vault] 与每个 [[vault.copy]] 中写入 regions = [\"…\"]",
            ));
        }
        Judgement::pass(
            Depth::Probe,
            said!("where stores say that they lie: {seen}", "存储自报的所在区域：{seen}"),
        )
        .seen(evidence())
    },
};
