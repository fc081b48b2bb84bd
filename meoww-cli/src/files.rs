//! Files of the user: written whole, and readable by their owner alone.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::error::Error;

/// As many links in a row as Linux follows.
const MAX_LINKS: usize = 40;

pub(crate) fn file_error(path: &Path, source: io::Error) -> Error {
    Error::File { path: path.to_owned(), source }
}

/// Replaces a file whole or not at all, readable by its owner alone. A link stays, and what it leads
/// to is replaced: people keep such files with others of theirs.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;

    let path = &followed(path)?;
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    create_private_dir(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Where a chain of links leads, whether there is a file or not.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = fs::read_link(&path) else { return Ok(path) };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    Err(io::Error::other("its links lead nowhere"))
}

/// Opens a file to append to, readable by its owner alone, also one that was not.
pub(crate) fn open_private(path: &Path) -> io::Result<fs::File> {
    create_private_dir(path.parent().ok_or(io::ErrorKind::InvalidInput)?)?;
    let mut options = fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    if file.metadata()?.is_file() {
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    }
    Ok(file)
}

pub(crate) fn create_private_dir(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_link_stays_a_link_and_its_file_is_written() {
        use std::os::unix::fs::symlink;

        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("dotfiles")).expect("a directory");
        symlink("dotfiles/middle", at("link")).expect("a link");
        symlink("target", at("dotfiles/middle")).expect("a link");
        for text in ["made", "replaced"] {
            write_private(&at("link"), text.as_bytes()).expect("written");
            assert_eq!(fs::read_link(at("link")).expect("a link"), Path::new("dotfiles/middle"));
            assert_eq!(fs::read_to_string(at("dotfiles/target")).expect("a file"), text);
        }
        symlink("circle", at("circle")).expect("a link");
        assert!(write_private(&at("circle"), b"").is_err());
    }

    #[test]
    fn private_files_are_their_owner_s_alone_also_if_they_were_not() {
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().expect("a directory");
        let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        fs::write(&old, "kept\n").expect("written");
        fs::set_permissions(&old, PermissionsExt::from_mode(0o644)).expect("set");
        for path in [&old, &new] {
            open_private(path).expect("opened");
            assert_eq!(mode(path), 0o600);
        }
        assert_eq!(fs::read_to_string(&old).expect("a file"), "kept\n");
    }
}
