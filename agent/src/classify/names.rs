//! What a column's name says of it, in Chinese and English.

use lifeboat_config::Grade;

/// Words in a column's name, what they mean and how sensitive that is. The first that fits counts.
const WORDS: &[(&[&str], &str, Grade)] = &[
    (
        &["password", "passwd", "pwd", "secret", "token", "apikey", "密码", "密钥", "口令"],
        "a secret",
        Grade::High,
    ),
    (
        &[
            "idnumber",
            "idcard",
            "idno",
            "identity",
            "ssn",
            "nationalid",
            "passport",
            "身份证",
            "证件",
            "护照",
            "sfz",
        ],
        "an identity document",
        Grade::High,
    ),
    (&["taxid", "taxnumber", "vatid", "steuerid", "税号", "纳税"], "a tax number", Grade::High),
    (
        &[
            "iban",
            "bankaccount",
            "accountnumber",
            "cardnumber",
            "creditcard",
            "bankcard",
            "银行",
            "卡号",
            "账号",
        ],
        "an account or a card",
        Grade::High,
    ),
    (
        &[
            "diagnos", "disease", "illness", "medical", "health", "allerg", "disab", "病", "健康", "诊断",
            "过敏", "残疾",
        ],
        "health",
        Grade::High,
    ),
    (&["religion", "ethnic", "political", "宗教", "民族", "政治"], "a belief or an origin", Grade::High),
    (&["latitude", "longitude", "geo", "gps", "经度", "纬度", "位置"], "a place", Grade::High),
    (&["salary", "income", "wage", "工资", "薪", "收入"], "an income", Grade::High),
    (&["birth", "dob", "生日", "出生"], "a date of birth", Grade::High),
    (&["phone", "mobile", "tel", "手机", "电话"], "a telephone number", Grade::Medium),
    (&["email", "mail", "邮箱", "邮件"], "an e-mail address", Grade::Medium),
    (&["wechat", "weixin", "qq", "微信"], "an account with a messenger", Grade::Medium),
    (&["address", "addr", "street", "postcode", "zip", "地址", "住址", "邮编"], "an address", Grade::Medium),
    (
        &["firstname", "lastname", "fullname", "surname", "contactname", "姓名", "名字", "联系人"],
        "a name",
        Grade::Medium,
    ),
    (&["gender", "性别"], "a gender", Grade::Medium),
    (&["ipaddr", "ipaddress"], "a network address", Grade::Medium),
];

/// Words so short that they must be the whole name, or a part of it between separators.
const WHOLE: &[(&str, &str, Grade)] = &[
    ("ip", "a network address", Grade::Medium),
    ("lat", "a place", Grade::High),
    ("lng", "a place", Grade::High),
    ("lon", "a place", Grade::High),
    ("sex", "a gender", Grade::Medium),
    ("pin", "a secret", Grade::High),
    ("card", "an account or a card", Grade::High),
];

/// What a name says, and how sensitive that is.
pub fn meaning(name: &str) -> Option<(&'static str, Grade)> {
    let lower = name.to_lowercase();
    let together: String = lower.chars().filter(|character| character.is_alphanumeric()).collect();
    let short =
        |word: &str| together == word || lower.split(|c: char| !c.is_alphanumeric()).any(|part| part == word);
    // Short words stand alone: `tel` is in `hotel` too.
    let fits = |word: &&str| match word.len() {
        ..=3 if word.is_ascii() => short(word),
        _ => together.contains(*word),
    };
    let of_words = WORDS.iter().find(|(words, ..)| words.iter().any(fits));
    let of_words = of_words.map(|(_, meaning, grade)| (*meaning, *grade));
    of_words.or_else(|| {
        let found = WHOLE.iter().find(|(word, ..)| short(word));
        found.map(|(_, meaning, grade)| (*meaning, *grade))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_chinese_and_english_are_understood() {
        let check = |name, expected| assert_eq!(meaning(name).map(|(what, _)| what), expected, "{name}");
        check("id_number", Some("an identity document"));
        check("客户身份证号", Some("an identity document"));
        check("mobilePhone", Some("a telephone number"));
        check("手机号码", Some("a telephone number"));
        check("E-Mail", Some("an e-mail address"));
        check("home_lat", Some("a place"));
        check("既往病史", Some("health"));
        check("pwd_hash", Some("a secret"));
        check("id", None);
        check("platform", None);
        check("total", None);
    }
}
