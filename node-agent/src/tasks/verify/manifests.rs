//! The manifests name every file and no other. Reads them as a player would find names in them, and
//! not with the code that wrote them.

use super::{Files, Read, wrong};
use model::Failure;
use model::catalog::PackageManifest;
use std::collections::BTreeSet;

/// Checks both manifests and everything that they lead to.
pub(super) fn check(manifest: &PackageManifest, files: &Files) -> Result<(), Failure> {
    let mut named = BTreeSet::new();
    playlists(&manifest.hls, files, &mut named)?;
    named.insert(manifest.dash.clone());
    let hls = named.clone();
    for name in mpd_names(text_of(&manifest.dash, files)?) {
        let found = expand(&name, files);
        if found.is_empty() {
            return Err(wrong(
                &manifest.dash,
                format!("names {name}, which is not there"),
            ));
        }
        named.extend(found);
    }
    for path in files.keys() {
        let beside = path.ends_with("/poster.jpg") || path.ends_with("/thumbnails.vtt");
        if !named.contains(path) && !beside {
            return Err(wrong(path, "is in no manifest"));
        }
        if path.ends_with(".m4s") && !hls.contains(path) {
            return Err(wrong(path, "is not in the HLS playlists"));
        }
    }
    Ok(())
}

fn text_of<'a>(path: &str, files: &'a Files) -> Result<&'a str, Failure> {
    match files.get(path) {
        Some(Read::Text(text)) => Ok(text),
        _ => Err(wrong(path, "is missing")),
    }
}

/// Follows HLS playlists from one on.
fn playlists(start: &str, files: &Files, named: &mut BTreeSet<String>) -> Result<(), Failure> {
    let mut open = vec![start.to_owned()];
    while let Some(path) = open.pop() {
        if !named.insert(path.clone()) {
            continue;
        }
        let text = text_of(&path, files)?;
        if !text.starts_with("#EXTM3U\n") {
            return Err(wrong(&path, "is no playlist"));
        }
        if text.contains("#EXTINF") && !text.contains("#EXT-X-ENDLIST") {
            return Err(wrong(&path, "does not end"));
        }
        for name in playlist_names(text) {
            let target = beside(&path, name);
            if !files.contains_key(&target) {
                return Err(wrong(&path, format!("names {name}, which is not there")));
            }
            if target.ends_with(".m3u8") {
                open.push(target);
            } else {
                named.insert(target);
            }
        }
    }
    Ok(())
}

/// A name relative to the file that states it.
fn beside(path: &str, name: &str) -> String {
    match path.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{name}"),
        None => name.to_owned(),
    }
}

/// Lines that are no tags, and `URI` attributes of tags.
fn playlist_names(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.is_empty())
        .flat_map(|line| {
            let plain = (!line.starts_with('#')).then_some(line);
            let tagged = line
                .starts_with('#')
                .then(|| attribute(line, "URI=\""))
                .flatten();
            plain.into_iter().chain(tagged)
        })
}

fn attribute<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once('"').map(|(value, _)| value)
}

/// Templates and base URLs of a manifest, with the id of the representation filled in by the writer.
fn mpd_names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for start in [" media=\"", " initialization=\""] {
        let mut rest = text;
        while let Some((_, after)) = rest.split_once(start) {
            let Some((value, after)) = after.split_once('"') else {
                break;
            };
            names.push(value.to_owned());
            rest = after;
        }
    }
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("<BaseURL>") {
        let Some((value, after)) = after.split_once("</BaseURL>") else {
            break;
        };
        names.push(value.to_owned());
        rest = after;
    }
    names
}

/// The files that a template stands for: numbers from 1 until one is missing.
fn expand(name: &str, files: &Files) -> Vec<String> {
    let Some((before, after)) = name.split_once("$Number%05d$") else {
        return files
            .contains_key(name)
            .then(|| name.to_owned())
            .into_iter()
            .collect();
    };
    let numbered = (1_u32..).map(|number| format!("{before}{number:05}{after}"));
    numbered
        .take_while(|path| files.contains_key(path))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Rational;

    fn version(playlist: &str, mpd: &str) -> (PackageManifest, Files) {
        let text = |text: &str| Read::Text(text.to_owned());
        let files = [
            (
                "index.m3u8",
                text("#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI=\"a/media.m3u8\"\n"),
            ),
            ("a/media.m3u8", text(playlist)),
            ("a/init.mp4", text("")),
            ("a/00001.m4s", text("")),
            ("a/00002.m4s", text("")),
            ("manifest.mpd", text(mpd)),
        ];
        let manifest = PackageManifest {
            path: "titles/t/v1".to_owned(),
            hls: "index.m3u8".to_owned(),
            dash: "manifest.mpd".to_owned(),
            duration: Rational::ONE,
            files: Vec::new(),
            tracks: Vec::new(),
        };
        (
            manifest,
            files
                .into_iter()
                .map(|(path, read)| (path.to_owned(), read))
                .collect(),
        )
    }

    const PLAYLIST: &str = "#EXTM3U\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:1,\n00001.m4s\n\
                            #EXTINF:1,\n00002.m4s\n#EXT-X-ENDLIST\n";
    const MPD: &str = "<MPD><SegmentTemplate initialization=\"a/init.mp4\" \
                       media=\"a/$Number%05d$.m4s\"/></MPD>";

    #[test]
    fn manifests_that_name_everything_pass() {
        let (manifest, files) = version(PLAYLIST, MPD);
        check(&manifest, &files).unwrap();
    }

    #[test]
    fn a_segment_that_no_playlist_names_is_found() {
        let (manifest, files) = version(&PLAYLIST.replace("#EXTINF:1,\n00002.m4s\n", ""), MPD);
        let found = check(&manifest, &files).unwrap_err();
        assert!(found.to_string().contains("00002.m4s"), "{found}");
    }

    #[test]
    fn a_name_without_a_file_is_found_in_either_manifest() {
        let (manifest, files) = version(&PLAYLIST.replace("00002", "00003"), MPD);
        assert!(
            check(&manifest, &files)
                .unwrap_err()
                .to_string()
                .contains("00003")
        );
        let (manifest, files) = version(PLAYLIST, &MPD.replace("a/init", "b/init"));
        assert!(
            check(&manifest, &files)
                .unwrap_err()
                .to_string()
                .contains("b/init")
        );
    }

    #[test]
    fn a_playlist_that_does_not_end_is_found() {
        let (manifest, files) = version(&PLAYLIST.replace("#EXT-X-ENDLIST\n", ""), MPD);
        assert!(
            check(&manifest, &files)
                .unwrap_err()
                .to_string()
                .contains("does not end")
        );
    }
}
