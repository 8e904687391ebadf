//! Language tags: BCP 47 in manifests and `elng`, ISO 639-2/T in `mdhd`. Sources write either, and the
//! older ones the bibliographic codes (`ger`, `fre`), which BCP 47 does not know. BCP 47 also wants
//! the shortest code: `eng` is not a valid tag where `en` exists.

/// The tag of a track whose language is not known.
pub const UNDETERMINED: &str = "und";

/// ISO 639: two-letter code, ISO 639-2/T code and ISO 639-2/B code, run together.
const CODES: &str = "\
     aaaaraar ababkabk aeaveave afafrafr akakaaka amamhamh anargarg araraara asasmasm \
     avavaava ayaymaym azazeaze babakbak bebelbel bgbulbul bibisbis bmbambam bnbenben \
     bobodtib brbrebre bsbosbos cacatcat cecheche chchacha cocoscos crcrecre cscescze \
     cuchuchu cvchvchv cycymwel dadandan dedeuger dvdivdiv dzdzodzo eeeweewe elellgre \
     enengeng eoepoepo esspaspa etestest eueusbaq fafasper fffulful fifinfin fjfijfij \
     fofaofao frfrafre fyfryfry gaglegle gdglagla glglgglg gngrngrn gugujguj gvglvglv \
     hahauhau hehebheb hihinhin hohmohmo hrhrvhrv hthathat huhunhun hyhyearm hzherher \
     iainaina idindind ieileile igiboibo iiiiiiii ikipkipk ioidoido isislice ititaita \
     iuikuiku jajpnjpn jvjavjav kakatgeo kgkonkon kikikkik kjkuakua kkkazkaz klkalkal \
     kmkhmkhm knkankan kokorkor krkaukau kskaskas kukurkur kvkomkom kwcorcor kykirkir \
     lalatlat lbltzltz lgluglug lilimlim lnlinlin lolaolao ltlitlit lulublub lvlavlav \
     mgmlgmlg mhmahmah mimrimao mkmkdmac mlmalmal mnmonmon mrmarmar msmsamay mtmltmlt \
     mymyabur nanaunau nbnobnob ndndende nenepnep ngndondo nlnlddut nnnnonno nonornor \
     nrnblnbl nvnavnav nynyanya ococioci ojojioji omormorm ororiori osossoss papanpan \
     piplipli plpolpol pspuspus ptporpor ququeque rmrohroh rnrunrun roronrum rurusrus \
     rwkinkin sasansan scsrdsrd sdsndsnd sesmesme sgsagsag sisinsin skslkslo slslvslv \
     smsmosmo snsnasna sosomsom sqsqialb srsrpsrp sssswssw stsotsot susunsun svsweswe \
     swswaswa tatamtam teteltel tgtgktgk ththatha titirtir tktuktuk tltgltgl tntsntsn \
     totonton trturtur tstsotso tttattat twtwitwi tytahtah uguiguig ukukrukr ururdurd \
     uzuzbuzb vevenven vivievie vovolvol wawlnwln wowolwol xhxhoxho yiyidyid yoyoryor \
     zazhazha zhzhochi zuzulzul";

/// Two letters, three letters, three bibliographic letters.
fn codes() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    CODES
        .split(' ')
        .map(|row| (&row[..2], &row[2..5], &row[5..]))
}

/// The BCP 47 tag for what a source says: shortest primary code, subtags in their usual case. What is
/// not a tag gives [`UNDETERMINED`].
pub fn bcp47(text: &str) -> String {
    let parts: Vec<&str> = text.trim().split(['-', '_']).collect();
    let is_subtag = |part: &&str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let primary = parts[0].to_ascii_lowercase();
    let is_primary =
        (2..=3).contains(&primary.len()) && primary.bytes().all(|b| b.is_ascii_lowercase());
    if !is_primary || !parts[1..].iter().all(is_subtag) || parts.len() > 8 {
        return UNDETERMINED.to_owned();
    }
    let short = codes()
        .find(|&(_, t, b)| primary == t || primary == b)
        .map(|(short, ..)| short);
    let mut tag = short.map_or(primary, str::to_owned);
    for part in &parts[1..] {
        tag.push('-');
        tag.push_str(&match part.len() {
            2 => part.to_ascii_uppercase(),
            4 => part[..1].to_ascii_uppercase() + &part[1..].to_ascii_lowercase(),
            _ => part.to_ascii_lowercase(),
        });
    }
    tag
}

/// The ISO 639-2/T code of a tag's primary language; `und` where there is none.
pub fn iso639_2t(tag: &str) -> [u8; 3] {
    let normal = bcp47(tag);
    let primary = normal.split('-').next().unwrap_or_default();
    let long = codes()
        .find(|&(short, ..)| short == primary)
        .map_or(primary, |(_, long, _)| long);
    long.as_bytes().try_into().unwrap_or(*b"und")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_take_their_shortest_form() {
        assert_eq!(bcp47("eng"), "en");
        assert_eq!(bcp47("ger"), "de");
        assert_eq!(bcp47("deu"), "de");
        assert_eq!(bcp47("pt_br"), "pt-BR");
        assert_eq!(bcp47("ZH-hant-tw"), "zh-Hant-TW");
        assert_eq!(bcp47("gsw"), "gsw");
    }

    #[test]
    fn what_is_no_tag_is_undetermined() {
        for text in ["", "-", "english", "e n", "en-\"x", "1a", "en-", "und"] {
            assert_eq!(bcp47(text), "und", "{text:?}");
        }
    }

    #[test]
    fn terminologic_codes_are_found() {
        assert_eq!(iso639_2t("de-CH"), *b"deu");
        assert_eq!(iso639_2t("fre"), *b"fra");
        assert_eq!(iso639_2t("gsw"), *b"gsw");
        assert_eq!(iso639_2t("qq"), *b"und");
    }

    #[test]
    fn the_table_is_whole() {
        assert_eq!(codes().count(), 183);
        assert!(CODES.split(' ').all(|row| row.len() == 8));
    }
}
