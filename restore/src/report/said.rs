//! Everything the report says, it says in two languages at once, so that none can be forgotten.

use clap::ValueEnum;

/// The report's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// English.
    En,
    /// Chinese, simplified.
    Zh,
}

/// A fixed text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// In English.
    pub en: &'static str,
    /// In Chinese.
    pub zh: &'static str,
}

/// A text made of facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// In English.
    pub en: String,
    /// In Chinese.
    pub zh: String,
}

impl Words {
    /// In one language.
    pub const fn of(self, language: Language) -> &'static str {
        match language {
            Language::En => self.en,
            Language::Zh => self.zh,
        }
    }
}

impl Said {
    /// In one language.
    pub fn of(&self, language: Language) -> &str {
        match language {
            Language::En => &self.en,
            Language::Zh => &self.zh,
        }
    }
}

impl From<Words> for Said {
    fn from(words: Words) -> Self {
        Self { en: words.en.to_owned(), zh: words.zh.to_owned() }
    }
}

/// A text in both languages, with the same values in each.
macro_rules! said {
    ($en:literal, $zh:literal) => {
        $crate::report::said::Said { en: format!($en), zh: format!($zh) }
    };
}
pub(crate) use said;

/// A fixed text in both languages.
pub const fn words(en: &'static str, zh: &'static str) -> Words {
    Words { en, zh }
}
