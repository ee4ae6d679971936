//! The vocabulary of the sample CRM: names, places, trades and the phrases that salespeople type.

pub(super) const SURNAMES: &[(&str, &str)] = &[
    ("王", "wang"), ("李", "li"), ("张", "zhang"), ("刘", "liu"), ("陈", "chen"), ("杨", "yang"),
    ("黄", "huang"), ("赵", "zhao"), ("吴", "wu"), ("周", "zhou"), ("徐", "xu"), ("孙", "sun"),
    ("马", "ma"), ("朱", "zhu"), ("胡", "hu"), ("郭", "guo"), ("何", "he"), ("林", "lin"),
    ("高", "gao"), ("罗", "luo"), ("郑", "zheng"), ("梁", "liang"), ("谢", "xie"), ("宋", "song"),
    ("唐", "tang"), ("许", "xu"), ("邓", "deng"), ("冯", "feng"), ("韩", "han"), ("曹", "cao"),
    ("欧阳", "ouyang"), ("司马", "sima"), ("上官", "shangguan"), ("龚", "gong"), ("𠮷", "ji"),
];

pub(super) const GIVEN: &[(&str, &str)] = &[
    ("伟", "wei"), ("芳", "fang"), ("娜", "na"), ("敏", "min"), ("静", "jing"), ("丽", "li"),
    ("强", "qiang"), ("磊", "lei"), ("军", "jun"), ("洋", "yang"), ("勇", "yong"), ("艳", "yan"),
    ("杰", "jie"), ("娟", "juan"), ("涛", "tao"), ("明", "ming"), ("超", "chao"), ("秀", "xiu"),
    ("霞", "xia"), ("平", "ping"), ("刚", "gang"), ("桂", "gui"), ("英", "ying"), ("华", "hua"),
    ("玉", "yu"), ("兰", "lan"), ("建", "jian"), ("国", "guo"), ("志", "zhi"), ("文", "wen"),
    ("宇", "yu"), ("浩", "hao"), ("欣", "xin"), ("怡", "yi"), ("子", "zi"), ("涵", "han"),
    ("梓", "zi"), ("轩", "xuan"), ("博", "bo"), ("诗", "shi"), ("雨", "yu"), ("晨", "chen"),
    ("佳", "jia"), ("俊", "jun"), ("思", "si"), ("远", "yuan"), ("海", "hai"), ("龙", "long"),
];

pub(super) const FIRST_NAMES: &[&str] = &[
    "James", "Mary", "Sofía", "José", "Zoë", "François", "Jürgen", "Björn", "Łukasz", "Siobhán",
    "Olga", "Дмитрий", "Екатерина", "محمد", "فاطمة", "さくら", "大輔", "민준", "Nguyễn", "Ayşe",
    "Priya", "Arjun", "Chidi", "Thandiwe", "Emma", "Liam", "Noah", "Olivia", "Ava", "Lucas",
    "Mia", "Ethan", "Isabella", "Mateo", "Camila", "Anna", "Peter", "Ingrid", "Marek", "Chloé",
];

pub(super) const LAST_NAMES: &[&str] = &[
    "Smith", "O'Brien", "García", "Müller", "Schröder", "Dubois", "Rossi", "Kowalski", "Novák", "Jensen",
    "van der Berg", "Silva", "Santos", "Иванов", "Петрова", "الأحمد", "田中", "佐藤", "김", "Trần",
    "Yılmaz", "Sharma", "Patel", "Okafor", "Nkosi", "Brown", "Johnson", "Williams", "Jones", "Davis",
    "Martínez", "López", "Wilson", "Anderson", "Taylor", "Thomas", "Moore", "Lee", "Walker", "D'Angelo",
];

pub(super) const CITIES: &[(&str, &str, &str)] = &[
    ("北京", "110105", "朝阳区建国路"), ("上海", "310115", "浦东新区世纪大道"), ("广州", "440106", "天河区体育西路"),
    ("深圳", "440305", "南山区科技园路"), ("杭州", "330106", "西湖区文三路"), ("成都", "510107", "武侯区天府大道"),
    ("武汉", "420111", "洪山区珞喻路"), ("西安", "610113", "雁塔区高新路"), ("南京", "320105", "建邺区江东中路"),
    ("重庆", "500103", "渝中区解放碑"), ("苏州", "320505", "虎丘区狮山路"), ("青岛", "370202", "市南区香港中路"),
    ("大连", "210202", "中山区人民路"), ("厦门", "350203", "思明区鹭江道"), ("长沙", "430102", "芙蓉区五一大道"),
    ("郑州", "410105", "金水区花园路"), ("宁波", "330203", "海曙区中山西路"), ("天津", "120101", "和平区南京路"),
];

pub(super) const FOREIGN_CITIES: &[(&str, &str, &str)] = &[
    ("London", "GB", "Fenchurch Street"), ("München", "DE", "Leopoldstraße"), ("Paris", "FR", "rue de Rivoli"),
    ("São Paulo", "BR", "Avenida Paulista"), ("New York", "US", "Madison Avenue"), ("東京", "JP", "千代田区丸の内"),
    ("Singapore", "SG", "Raffles Place"), ("Kraków", "PL", "ulica Długa"), ("Dubai", "AE", "Sheikh Zayed Road"),
    ("Sydney", "AU", "George Street"), ("Toronto", "CA", "Bay Street"), ("İstanbul", "TR", "İstiklal Caddesi"),
];

pub(super) const COMPANY_WORDS: &[&str] = &[
    "华信", "中科", "天元", "恒达", "金桥", "远景", "宏图", "瑞丰", "新海", "博雅", "卓越", "凯盛",
    "东方", "长江", "泰和", "嘉诚", "启明", "正大", "联创", "众合", "盛世", "安泰", "永信", "海川",
];

pub(super) const TRADES: &[&str] = &[
    "科技", "贸易", "医疗器械", "物流", "教育咨询", "电子", "化工", "餐饮管理", "汽车零部件", "建筑工程",
    "生物制药", "新能源", "食品", "服装", "机械设备", "信息技术", "传媒", "金融服务",
];

pub(super) const FOREIGN_COMPANIES: &[&str] = &[
    "Acme", "Globex", "Initech", "Umbrella", "Northwind", "Contoso", "Fabrikam", "Soylent", "Vandelay",
    "Hooli", "Stark", "Wayne", "Tyrell", "Wonka", "Cyberdyne", "Aperture", "Oceanic", "Massive",
];

pub(super) const LEGAL_FORMS: &[&str] = &["Ltd", "GmbH", "S.A.", "Inc.", "K.K.", "Sp. z o.o.", "B.V.", "Pty Ltd", "& Sons"];

pub(super) const TITLES: &[&str] = &[
    "采购经理", "总经理", "财务总监", "技术主管", "运营专员", "Head of Procurement", "CFO", "Sales Director",
    "IT Manager", "Office Manager", "销售代表", "人事经理", "Owner", "Engineer",
];

pub(super) const PRODUCTS: &[&str] = &[
    "离心泵", "数控机床", "血氧仪", "伺服电机", "云存储套餐", "Pump", "Sensor", "Annual support", "控制阀",
    "License", "激光切割机", "Training day", "过滤器", "Gateway", "电池组", "Consulting hour",
];

pub(super) const SUBJECTS: &[&str] = &[
    "电话回访", "报价跟进", "合同续签", "现场拜访", "产品演示", "Follow-up call", "Quote sent", "Contract review",
    "Site visit", "Demo", "付款提醒", "售后服务", "Complaint", "Invoice question", "技术支持", "Onboarding",
];

pub(super) const PHRASES: &[&str] = &[
    "客户对价格比较敏感，希望再给一些折扣", "已发送最新报价单，等待对方确认", "对方采购流程需要两周左右",
    "约定下周三下午三点再次沟通", "客户反馈设备运行稳定，暂无问题", "需要技术部门出具详细方案",
    "合同条款第七条需要法务审核", "预算已经批准，等待总部签字", "联系人已更换，请更新资料",
    "电话无人接听，稍后再试", "客户要求提供三家参考案例", "发票抬头有误，已重新开具",
    "Left a message with the front desk", "Asked for a discount on the second year", "Budget is approved for this quarter",
    "Wants a reference from the same trade", "Decision moves to the board meeting", "Sent the revised quotation by e-mail",
    "Will call back after the holidays", "Interested in the extended warranty", "Delivery must arrive before the audit",
    "Not reachable, try again in the afternoon", "The competitor offered a lower price", "Happy with the service so far",
    "Needs the certificate of origin", "Asked to be removed from the newsletter", "付款方式改为月结三十天",
    "样品已寄出，快递单号见附件", "客户希望在年底前完成验收", "现场安装需要两名工程师",
];

pub(super) const JOINERS: &[&str] = &["。", "；", ". ", "; ", ", ", "，", " - ", "\n", "。\n", " / "];

pub(super) const SYLLABLES: &[&str] = &[
    "ba", "ce", "do", "fi", "gu", "ha", "je", "ko", "li", "mu", "na", "pe", "qi", "ro", "su", "ta", "ve", "wo",
    "xi", "yu", "za", "chen", "dor", "fan", "gri", "hel", "jin", "kar", "lum", "mor", "nel", "pra",
];

pub(super) const MAIL_HOSTS: &[&str] =
    &["qq.example", "163.example", "gmail.example", "outlook.example", "corp.example", "mail.example"];
